"""Where the CPU of a stream goes, by layer and by function: ``profile_path.py live`` (or another scenario's name).

Samples the innermost Python frame by CPU time (`ITIMER_PROF`), which hardly slows down what it looks at; what C code
and the kernel do counts for the Python function that called them.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import runpy
import signal
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from run import gateway
from scenarios import SCENARIOS
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
_INTERVAL = 0.001
_PACKAGE = re.compile(r".*/(?:site-packages|src|lib/python3\.\d+)/([^/]+?)(?:/|\.py)(.*)")


def layer(code: CodeType) -> tuple[str, str]:
    """Return the package that a function belongs to, and the function."""
    if code.co_filename.startswith(str(HERE)):
        return "the benchmark", code.co_qualname
    found = _PACKAGE.fullmatch(code.co_filename)
    package, rest = (found[1], found[2]) if found else ("elsewhere", code.co_filename)
    return package, f"{rest}: {code.co_qualname}" if rest else code.co_qualname


def profile(name: str, seconds: float) -> Counter[CodeType]:
    """Run a scenario with this library and return how many samples fell into each function."""
    scenario = next(s for s in SCENARIOS if s.name == name)
    samples: Counter[CodeType] = Counter()

    def note(_: int, frame: FrameType | None) -> None:
        if frame is not None:
            samples[frame.f_code] += 1

    with gateway(None) as addresses:
        stats = addresses["http"].removesuffix("/api/v1") + "/stats"
        task: dict[str, Any] = {"url": addresses["http"], "stats": stats, "seconds": seconds, **scenario.task()}
        peer = runpy.run_path(str(HERE / "clients" / "raptscallions_ai.py"))["connect"](task)

        async def work() -> None:
            await peer.warm_up()
            signal.signal(signal.SIGPROF, note)
            signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
            await WORKLOADS[scenario.workload](peer, task)
            signal.setitimer(signal.ITIMER_PROF, 0)

        asyncio.run(work())
    return samples


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scenario", choices=[s.name for s in SCENARIOS if s.workload != "import" and not s.tls])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long")
    arguments = parser.parse_args()
    samples = profile(arguments.scenario, arguments.seconds)
    layers: Counter[str] = Counter()
    for code, count in samples.items():
        layers[layer(code)[0]] += count
    print(f"{arguments.scenario}: {samples.total()} samples\n")
    for name, count in layers.most_common(8):
        print(f"{count / samples.total():6.1%}  {name}")
    print()
    for code, count in samples.most_common(20):
        print(f"{count / samples.total():6.1%}  {' '.join(layer(code))}")


if __name__ == "__main__":
    main()
