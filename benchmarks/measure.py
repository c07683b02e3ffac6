"""One measurement, in a process and an environment of its own: `measure.py JSON` prints its figures as JSON.

Nothing is imported before it is needed, because importing is among what is measured.
"""

import sys
import time


def importing(statement: str) -> dict[str, float]:
    """Return how long an import takes, in CPU time."""
    began = time.process_time()
    exec(statement, {})
    return {"import_ms": (time.process_time() - began) * 1000}


def main() -> None:
    """Measure what the command line describes."""
    import json
    import os

    task = json.loads(sys.argv[1])
    figures = importing(task["imports"]) if task["workload"] == "import" else calling(task)
    print(json.dumps(figures), flush=True)
    # How a client shuts down is not measured, and some take seconds to.
    os._exit(0)


def calling(task: "dict[str, object]") -> "dict[str, float]":
    """Return what a workload finds out about the client that an adapter connects."""
    import asyncio
    import resource
    import runpy
    import signal

    from workloads import WORKLOADS, Figures

    signal.alarm(int(str(task["timeout"])))  # this process ends, even if nobody is left to end it
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    adapter = runpy.run_path(str(task["adapter"]))
    factory = None
    if task["loop"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    peer = adapter["connect"](task)

    async def work() -> Figures:
        return await WORKLOADS[str(task["workload"])](peer, task)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())


if __name__ == "__main__":
    main()
