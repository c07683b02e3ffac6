"""The child process of `LocalGateway`: llama.cpp's HTTP server on loopback, for as long as its owner lives.

Reads one JSON line from stdin (`model_path`, `model`, `api_key`, `context_tokens`, `threads`, `chat_template`,
`ping_interval_s`), writes one JSON line to stdout (`base_url`, or `error`), and ends at the end of stdin. It
imports nothing but the standard library and xllamacpp.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn
from urllib.parse import urlsplit

_OWNER_CHECK_S = 0.5
_ONLY_ERRORS = 1


def main() -> NoReturn:
    """Serve until the owner is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner = os.getppid()
    answer = os.dup(1)
    os.dup2(2, 1)  # what native code prints to stdout must not mix with the answer
    config = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_exit_at_end_of_stdin, daemon=True).start()
    try:
        server = start_server(config)
        _wait_until_it_answers(server.listening_address)
    except Exception as error:  # whatever it is, the owner reports it
        _reply(answer, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    _reply(answer, {"base_url": server.listening_address + "/v1"})
    _silence()
    # End of stdin is not enough: another child of the owner may have inherited the pipe and hold it open.
    while os.getppid() == owner:
        time.sleep(_OWNER_CHECK_S)
    os._exit(0)


def start_server(config: dict[str, Any]) -> Any:
    """Load the model and return xllamacpp's running server; it ends with the object."""
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = config["model_path"]
    params.model_alias = {config["model"]}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [config["api_key"]]
    params.n_ctx, params.n_parallel = config["context_tokens"], 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config["threads"]
    params.ui, params.verbosity = False, _ONLY_ERRORS
    params.fit_params = False  # it would load the model once more, only to measure it
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of earlier prompts
    if config.get("chat_template") is not None:
        params.chat_template = config["chat_template"]
    if config.get("ping_interval_s") is not None:
        params.sse_ping_interval = config["ping_interval_s"]
    return xllamacpp.Server(params)


def _wait_until_it_answers(address: str) -> None:
    # The owner's deadline ends this loop when it must end: llama.cpp answers 503 while it loads.
    where = urlsplit(address)
    while True:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)


def _exit_at_end_of_stdin() -> None:
    try:
        while os.read(0, 4096):
            pass
    finally:
        os._exit(0)


def _reply(answer: int, line: dict[str, str]) -> None:
    os.write(answer, json.dumps(line).encode() + b"\n")
    os.close(answer)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


if __name__ == "__main__":
    main()
