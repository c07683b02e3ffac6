"""A gateway for the measurements: its answers are rendered before the first request; the model's name chooses one."""

from __future__ import annotations

import sys

from raptscallions_ai.testing import FakeGateway, Pause, RecordedRequest, Reply, chunk, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE

CHUNKS = {"coalesced": 5000, "live": 1000, "first": 1}
_BLOCK = 65536


def render() -> dict[str, Reply]:
    """Return the reply of each scenario."""
    delta = sse(chunk(" token"))
    end = sse(chunk("", finish_reason="stop")) + sse({"choices": [], "usage": usage()}) + DONE
    coalesced = COMMENT + delta * CHUNKS["coalesced"] + end
    blocks = [coalesced[start : start + _BLOCK] for start in range(0, len(coalesced), _BLOCK)]
    live = [step for _ in range(CHUNKS["live"]) for step in (delta, Pause(0.0005))]
    return {"coalesced": Reply(tuple(blocks)), "live": Reply((*live, end)), "first": Reply((delta + end,))}


def main() -> None:
    """Serve until standard input ends; the first line of output is the base URL."""
    replies = render()

    def answer(request: RecordedRequest) -> Reply:
        return replies[request.json["model"]]

    with FakeGateway() as gateway:
        gateway.add(answer, times=None)
        print(gateway.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
