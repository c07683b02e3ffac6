"""A download that continues where it stopped, even in another process on another day."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from raptscallions_ai.local.errors import LocalGatewayError, failure
from raptscallions_ai.local.pinned import PinnedFile, in_thread

if TYPE_CHECKING:
    import httpx2

__all__ = ["ClientRefusedError", "download"]

_ATTEMPTS_WITHOUT_PROGRESS = 3
_PAUSE_S = 0.3
_STALL_S = 30.0
_REFUSED = {401, 403, 407}
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class ClientRefusedError(Exception):
    """This client gets nothing at all from the server; pip, with its own settings, may."""


async def download(url: str, part: Path, pin: PinnedFile, advance: Callable[[int], None]) -> None:
    """Complete the file at `part`, which may hold the beginning of the content already.

    The size is right afterwards; the hash is for the caller to check. An interrupted transfer is continued
    where it stopped, for as long as each attempt brings new bytes.

    Args:
        url: An http, https or file URL.
        part: The partial file; it stays when the transfer fails.
        pin: What the content must be.
        advance: Called with the number of bytes on disk as they grow.

    Raises:
        ClientRefusedError: Nothing was received, now or before, or the server wants credentials.
        LocalGatewayError: The transfer stopped, or the server offers another file.
    """
    if url.startswith("file:"):
        await in_thread(shutil.copyfile, url2pathname(urlsplit(url).path), part)
        return

    import httpx2

    most, failures, why = _size(part), 0, "the connection was closed early"
    async with _client() as client:
        while _size(part) != pin.size:
            try:
                await _fetch_rest(client, url, part, pin, advance)
            except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
                why = str(error) or type(error).__name__
            if (have := _size(part)) > pin.size:
                _remove(part)
                raise failure("corrupt", f"{_host(url)} sends more bytes than {pin.name} has; they were deleted.")
            if have > most:
                most, failures = have, 0
                continue
            failures += 1
            if failures == _ATTEMPTS_WITHOUT_PROGRESS:
                raise _stopped(most, pin, why)
            await asyncio.sleep(_PAUSE_S * failures)


async def _fetch_rest(
    client: httpx2.AsyncClient, url: str, part: Path, pin: PinnedFile, advance: Callable[[int], None]
) -> None:
    have = _size(part)
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    async with client.stream("GET", url, headers=headers) as response:
        if have and response.status_code == 416:
            _remove(part)
            return
        _check_status(response)
        start = _offset(response)
        if start not in {0, have}:  # not the requested range
            _remove(part)
            return
        if _declared_size(response) not in {None, pin.size}:
            raise failure("corrupt", f"{_host(url)} offers {pin.name} with another size.")
        with _open(part, append=start > 0) as file:
            async for data in response.aiter_raw():
                start += len(data)
                file.write(data)
                advance(start)
                if start > pin.size:
                    return


def _client() -> httpx2.AsyncClient:
    import httpx2

    try:
        return httpx2.AsyncClient(follow_redirects=True, timeout=_STALL_S)
    except Exception as error:  # a proxy or certificate setting of the environment that only pip understands
        raise ClientRefusedError(str(error)) from error


def _check_status(response: httpx2.Response) -> None:
    import httpx2

    status = response.status_code
    if status in {200, 206}:
        return
    if status in _REFUSED:
        raise ClientRefusedError(f"status {status}")
    if status in _PASSING:
        raise httpx2.TransportError(f"status {status}")
    raise failure("unreachable", f"{response.url.host} answered the download of the local model with status {status}.")


def _offset(response: httpx2.Response) -> int:
    if response.status_code != 206:
        return 0
    span = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(span) if span.isdecimal() else -1


def _declared_size(response: httpx2.Response) -> int | None:
    name = "Content-Range" if response.status_code == 206 else "Content-Length"
    total = response.headers.get(name, "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def _stopped(received: int, pin: PinnedFile, why: str) -> ClientRefusedError | LocalGatewayError:
    if not received:
        return ClientRefusedError(why)
    return failure(
        "interrupted",
        f"The download of the local model stopped at {received / 1e6:.1f} of {pin.size / 1e6:.1f} MB ({why}). "
        "Check the network connection and run the same again: it continues where it stopped.",
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the server"  # credentials, path and query stay out of messages


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open(path: Path, *, append: bool) -> BinaryIO:
    return path.open("ab" if append else "wb")
