"""Look up every pinned dependency in the advisory database of OSV; `dev.py check` runs it.

A known vulnerability fails. Where the database cannot be reached, no audit can be made: that is said, and passes, so
that one can work offline. Nothing else in the output of pip-audit tells the two apart but its report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def pinned() -> list[str]:
    """Return the exact requirements that CI installs on a Python like this one, tools included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pins = map(Requirement, project["tool"]["uv"]["constraint-dependencies"])
    return [f"{pin.name}{pin.specifier}" for pin in pins if pin.marker is None or pin.marker.evaluate()]


def audit(requirements: list[str], *, url: str | None, seconds: float) -> tuple[list[dict[str, Any]] | None, str]:
    """Return pip-audit's entry for each package, or None; and the last line of what it said.

    Args:
        requirements: What to look up, as `name==version`.
        url: The database's address; None for OSV's own.
        seconds: The longest that it may take.
    """
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder, "requirements.txt")
        listing.write_text("\n".join(requirements), "utf-8")
        # Pinned and complete, so nothing has to be resolved or downloaded.
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listing), "--no-deps", "--disable-pip"]
        command += ["--vulnerability-service", "osv", *(["--osv-url", url] if url else [])]
        command += ["--format", "json", "--timeout", "5", "--progress-spinner", "off"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return None, f"no answer within {seconds:.0f} s"
    said = (done.stderr.strip().splitlines() or [""])[-1]
    try:
        return json.loads(done.stdout)["dependencies"], said
    except ValueError:
        return None, said


def main() -> int:
    """Audit, print what was found and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="another address of the database")
    parser.add_argument("--seconds", type=float, default=120.0, help="the longest that it may take")
    options = parser.parse_args()
    requirements = pinned()
    found, said = audit(requirements, url=options.url, seconds=options.seconds)
    if found is None:
        print(f"NOT AUDITED: the advisory database could not be asked ({said[:300]})")
        return 0
    known = [(each["name"], each["version"], problem) for each in found for problem in each.get("vulns", ())]
    for name, version, problem in known:
        print(f"{name} {version}: {problem['id']}, fixed in {', '.join(problem['fix_versions']) or 'no version'}")
    print(f"{len(found)} of {len(requirements)} dependencies audited, {len(known)} known vulnerabilities")
    return 1 if known or len(found) < len(requirements) else 0


if __name__ == "__main__":
    sys.exit(main())
