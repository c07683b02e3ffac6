"""Look for inputs that break a target of `targets.py`, guided by coverage: ``python fuzz/run.py TARGET [OPTION ...]``.

Options are libFuzzer's, such as ``-max_total_time=60``. What was found stays in ``.cache/fuzz``: a growing corpus,
and the inputs that broke something, which become files of ``fuzz/findings/TARGET`` and so regression tests.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

atheris: Any = import_module("atheris")  # by name, because only the environment of `dev.py fuzz` has it

with atheris.instrument_imports(include=["raptscallions_ai"]):
    import targets
    from seeds import seeds

HERE = Path(__file__).resolve().parent
STATE = HERE.parent / ".cache" / "fuzz"


def main(target: str, *options: str) -> None:
    """Fuzz one target until its time is over or an input breaks it."""
    start, grown, crashes = (STATE / kind / target for kind in ("seeds", "corpus", "crashes"))
    for folder in (start, grown, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(target).items():
        (start / name).write_bytes(data)
    limits = ["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]  # seconds, and memory, for one input
    where = [f"-artifact_prefix={crashes}/", f"-dict={HERE / 'tokens.dict'}", str(grown), str(start)]
    atheris.Setup([sys.argv[0], *limits, *options, *where], getattr(targets, target))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
