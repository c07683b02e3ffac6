"""An HTTP/1.1 client for exactly one job: to ask a gateway and to read its answer as it comes. Private.

It is built on asyncio's protocols and on llhttp, the parser that Node and uvicorn use (`httptools`). `client.py` is
where to begin; `incoming.py` reads an answer without any I/O.
"""
