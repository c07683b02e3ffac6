"""The gateway of the soak, in a process of its own so that only the client's resources are counted there.

The model's name chooses the reply. Each line of standard input is answered with one line of JSON: how many connections
and responses are open. The end of standard input ends it; the first line of output is the base URL.
"""

from __future__ import annotations

import gzip
import json
import sys

from raptscallions_ai.testing import Cut, FakeGateway, Hang, Pause, RecordedRequest, Reply, Reset, chunk, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE, completion, error_body

_TEXT = sse(chunk("Hello from the soak. "))
_END = sse(chunk("", finish_reason="stop")) + sse({"choices": [], "usage": usage()}) + DONE
_JSON = {"content-type": "application/json"}


def _error(status: int, **headers: str) -> Reply:
    body = json.dumps(error_body(status, "Provider returned error")).encode()
    return Reply((body,), status, {**_JSON, **headers}, "length")


REPLIES = {
    "complete": Reply((_TEXT, *[_TEXT] * 8, _END)),
    "json": Reply((json.dumps(completion("Hello", usage=usage())).encode(),), 200, _JSON, "length"),
    "gzip": Reply((gzip.compress(_TEXT * 9 + _END),), 200, {"content-encoding": "gzip"}),
    "error": _error(400),
    "overloaded": _error(503, **{"retry-after": "0"}),
    "html": Reply((b"<html><body>Bad gateway</body></html>",), 200, {"content-type": "text/html"}, "length"),
    "empty": Reply((), 200),
    "reset": Reply((Reset(),), before_headers=True),
    "not http": Reply((b"garbage\r\n\r\n",), framing="raw"),
    "error inside": Reply((_TEXT, sse({"error": {"code": 502, "message": "failed"}, "choices": []}), DONE)),
    "malformed inside": Reply((_TEXT, b'data: {"choices": [\n\n', Hang())),
    "reset inside": Reply((_TEXT, Pause(0.005), Reset())),
    "cut inside": Reply((_TEXT, Cut())),
    "truncated": Reply((_TEXT,)),
    "silent": Reply((Hang(),), before_headers=True),
    "stuck": Reply((_TEXT, Hang())),
    "keep-alive": Reply((_TEXT, *[step for _ in range(200) for step in (COMMENT, Pause(0.02))])),
}


def main() -> None:
    """Serve until standard input ends."""
    seen: set[str] = set()

    def answer(request: RecordedRequest) -> Reply:
        name = request.json["model"]
        if name == "retry":  # the first attempt of a call fails, the second succeeds
            name = "complete" if request.json["user"] in seen else "overloaded"
            seen.add(request.json["user"])
        return REPLIES[name]

    with FakeGateway() as gateway:
        gateway.add(answer, times=None)
        print(gateway.base_url, flush=True)
        for _ in sys.stdin:
            told = {"connections": gateway.open_connections, "responses": gateway.open_responses}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
