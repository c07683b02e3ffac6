#!/usr/bin/env python3
"""One entry point for working on this repository; it needs Python 3.11 or newer and nothing else.

    python3 dev.py chat --local "Name three fruits."   set up, then stream a real model's answer
    python3 dev.py serve --local                       set up, then serve conversations with that model, and a page
    python3 dev.py test                                set up, then run all tests, side by side
    python3 dev.py test PYTEST_OPTIONS ...             set up, then run pytest with these
    python3 dev.py check                               lint, types, imports, packaging, vulnerabilities, SBOM, site
    python3 dev.py docs                                make the documents' site in .cache/docs/site
    python3 dev.py sbom                                list what each package depends on, as CycloneDX in .cache/sbom
    python3 dev.py setup                               only set up
    python3 dev.py fuzz [SECONDS]                      look for input that breaks the wire (60 seconds a target)
    python3 dev.py mutate [MODULE ...]                 break the wire on purpose and see whether its tests notice
    python3 dev.py run COMMAND ...                     any command of the environment

Setting up means: find uv (or install it into .cache/uv), then let it make .venv from pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
ENVIRONMENT = ROOT / ".venv"
UV_REQUIREMENT = ROOT / ".ci" / "uv.txt"  # with the hashes of its wheels
PACKAGES = ("raptscallions-ai", "raptscallions-bulk", "raptscallions-chat")
# More processes would each start a local model of their own.
ALL_TESTS = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")


def find_uv() -> str:
    """Return the path of uv, installing it beside the project when the machine has none."""
    if found := shutil.which("uv"):
        return found
    home = ROOT / ".cache" / "uv"
    uv = home / SCRIPTS / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        print("Setting up: installing uv into .cache/uv (once) ...", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        python = home / SCRIPTS / "python"
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*install, "--requirement", UV_REQUIREMENT], check=True)
    return str(uv)


def setup(place: Path = ENVIRONMENT, *options: str) -> None:
    """Make an environment hold exactly what pyproject.toml asks for; takes a moment when nothing changed."""
    if not place.exists():
        where = place.relative_to(ROOT)
        print(f"Setting up: making {where} (once, about 150 MB to download) ...", file=sys.stderr, flush=True)
    # Ray takes 400 MB; its tests make an environment of their own.
    extras = ("--all-extras", "--no-extra", "ray")
    command = [find_uv(), "sync", "--quiet", "--all-packages", *extras, "--python", sys.executable, *options]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(place)}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def run(*command: str, place: Path = ENVIRONMENT) -> int:
    """Run a command of an environment and return its exit code."""
    path = os.pathsep.join([str(place / SCRIPTS), os.environ.get("PATH", "")])
    program = shutil.which(command[0], path=path) or command[0]
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(place)}
    try:
        return subprocess.run([program, *command[1:]], env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


def check() -> int:
    """Run everything that CI checks besides the tests, and stop at the first failure."""
    for command in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("pyright",),
        ("lint-imports", "--config", "pyproject.toml"),
        ("python", "tests/check_wheel.py"),
        ("python", "tests/audit.py"),
    ):
        print("$", *command, flush=True)
        if code := run(*command):
            return code
    return sbom() or docs()


def sbom() -> int:
    """Write a software bill of materials for each package: its dependencies, extras included, with their hashes."""
    place = ROOT / ".cache" / "sbom"
    place.mkdir(parents=True, exist_ok=True)
    chosen = ("--no-default-groups", "--all-extras", "--no-emit-workspace", "--format", "cyclonedx1.5")
    for package in PACKAGES:
        file = place / f"{package}.cdx.json"
        print("$ writing", file.relative_to(ROOT), flush=True)
        if code := run(find_uv(), "export", "--quiet", "--package", package, *chosen, "--output-file", str(file)):
            return code
    return 0


def docs() -> int:
    """Make a site of docs/ and the docstrings; whatever Sphinx warns of, such as a broken link, is a failure."""
    place = ROOT / ".cache" / "docs"
    # Everything is read anew (-E), because what was read before is not warned of again.
    options = ("-q", "-W", "--keep-going", "-E", "-d", str(place / "doctrees"))
    print("$ making the site in", (place / "site").relative_to(ROOT), flush=True)
    return run("sphinx-build", *options, str(ROOT / "docs"), str(place / "site"))


def fuzz(seconds: str = "60") -> int:
    """Run every fuzz target for a time, in an environment of its own, and stop at the first finding."""
    place = ROOT / ".cache" / "fuzz" / "environment"
    setup(place, "--no-default-groups", "--group", "fuzz")
    for target in ("answer", "failure", "response"):
        print(f"$ fuzzing {target} for {seconds} s", flush=True)
        if code := run("python", "fuzz/run.py", target, f"-max_total_time={seconds}", place=place):
            return code
    return 0


def mutate(*modules: str) -> int:
    """Run the mutation tests of some or all modules, in an environment of its own."""
    place = ROOT / ".cache" / "mutation" / "environment"
    setup(place, "--group", "mutation")
    return run("python", "tests/mutation/run.py", *modules, place=place)


def main(arguments: list[str]) -> int:
    """Dispatch one command of this file; see the module's docstring."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0
    name, *rest = arguments
    apart = {"fuzz": fuzz, "mutate": mutate}
    if name not in {"chat", "models", "doctor", "serve", "test", "check", "docs", "sbom", "setup", "run", *apart}:
        print(f"dev.py: unknown command {name!r}\n{__doc__}", file=sys.stderr)
        return 2
    try:
        if name in apart:
            return apart[name](*rest)
        setup()
    except subprocess.CalledProcessError as error:
        print(f"dev.py: setting up failed (exit code {error.returncode}); see the lines above.", file=sys.stderr)
        return error.returncode or 1
    if name == "test":
        return run("pytest", *(rest or ALL_TESTS))
    if name == "check":
        return check()
    if name in {"docs", "sbom"}:
        return docs() if name == "docs" else sbom()
    if name == "run":
        return run(*rest)
    if name == "setup":
        return 0
    return run("raptscallions-chat" if name == "serve" else "raptscallions-ai", name, *rest)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - the person may well start it with an older one
        sys.exit("dev.py needs Python 3.11 or newer; this is " + sys.version.split()[0])
    sys.exit(main(sys.argv[1:]))
