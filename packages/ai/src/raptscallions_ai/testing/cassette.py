"""Cassettes: exchanges with a real gateway, recorded once and replayed without network, key or cost.

A cassette is a server on loopback, so it works with every client that takes a base URL, ours and other people's::

    with Cassette("cassettes/greeting.jsonl") as cassette:
        client = OpenRouterClient(cassette.api_key, cassette.base_url, "openai/gpt-4o")

If the file exists, its answers are replayed. If not, requests go to the gateway and the answers are recorded.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast, get_args
from urllib.parse import urlsplit

from raptscallions_ai._guards.private_files import open_private, others_can
from raptscallions_ai.testing._exchange import Exchange, MalformedCassetteError, read_lines, written_lines
from raptscallions_ai.testing._loopback import Loopback
from raptscallions_ai.testing._matching import Recordings
from raptscallions_ai.testing._secrets import SecretFilter
from raptscallions_ai.testing._server import Server
from raptscallions_ai.testing._upstream import Recorder
from raptscallions_ai.testing.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType
    from typing import Self

    from raptscallions_ai.testing._server import Relay
    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.replies import Reply

__all__ = ["Cassette", "CassetteError", "CassetteMode", "CassetteOptions"]

CassetteMode = Literal["once", "replay", "record"]
"""`once` replays a cassette that is there and records one that is not; `replay` never records; `record` always does."""

_HOW = "to record it again, run with AI_CASSETTES=record"
_NO_KEY = "sk-or-v1-not-a-real-key"


class CassetteError(AssertionError):
    """A cassette cannot be used, or does not have a requested exchange."""


class CassetteOptions(TypedDict, total=False):
    """The cassette options of a test suite; each is described on `Cassette`."""

    mode: CassetteMode | None
    gateway_url: str | None
    api_key: str | None
    ignore: Collection[str]
    secrets: Collection[str]
    real_time: bool


class Cassette:
    """Records exchanges with a real gateway, and replays them.

    Use it as `with Cassette(path) as cassette:` or `async with`, and give its `base_url` and `api_key` to a client. It
    is written when it is left, for you alone to read. Keys, cookies and all that looks like a key are replaced. A
    request that repeats no recorded one (same method, path, query and JSON body) is answered with status 400, and
    leaving the cassette raises a `CassetteError` that says what differs. Equal requests get their answers in the order
    of the recording.

    Args:
        path: The file: JSON Lines, one for each piece that arrived.
        mode: What to do; by default the environment's `AI_CASSETTES`, else `replay` where `CI` is set, else `once`.
        gateway_url: The base URL of the gateway to record; by default the environment's. Not used to replay.
        api_key: The key for it; by default the environment's. Not used to replay.
        ignore: Fields of the request's JSON body that may differ, such as `session_id`.
        secrets: Further texts that must not be written.
        real_time: Whether pieces are replayed with the pauses of the recording, instead of at once.

    Raises:
        ValueError: `mode` has another value.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: CassetteMode | None = None,
        gateway_url: str | None = None,
        api_key: str | None = None,
        ignore: Collection[str] = (),
        secrets: Collection[str] = (),
        real_time: bool = False,
    ) -> None:
        self.path = Path(path)
        self._mode = mode if mode is None else _checked(mode, "mode")
        self._gateway_url = gateway_url
        self._api_key = api_key
        self._ignore, self._secrets, self._real_time = ignore, secrets, real_time
        self._server = Server(self._choose)
        self._loopback = Loopback(self._server, "cassette")
        self._recorders: list[Recorder] = []
        self._recordings: Recordings | None = None
        self._problems: list[str] = []

    @property
    def base_url(self) -> str:
        """The base URL to give to a client.

        Raises:
            RuntimeError: The cassette is not in use.
        """
        return self._loopback.url(urlsplit(self._gateway_url or "").path.rstrip("/"))

    @property
    def api_key(self) -> str:
        """The key to give to a client: the gateway's while recording, else a fake one."""
        return (self._api_key if self.is_recording else None) or _NO_KEY

    @property
    def is_recording(self) -> bool:
        """Whether requests go on to the gateway."""
        return self._recordings is None

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, in the order in which they were complete."""
        return self._server.requests

    def __enter__(self) -> Self:
        mode = self._mode or _mode_of_the_environment()
        if mode == "record" or (mode == "once" and not self.path.exists()):
            self._find_gateway()
        else:
            self._load()
        self._loopback.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loopback.stop()
        exchanges = [recorder.exchange for recorder in self._recorders]
        if written := [exchange for exchange in exchanges if exchange.end is not None]:
            self._save(written)
        problems = [*self._problems, *(f"{type(failure).__name__}: {failure}" for failure in self._server.errors)]
        if not problems:
            return
        message = "\n".join([f"{self.path}:", *problems])
        if error is None:
            raise CassetteError(message)
        error.add_note(message)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(exc_type, error, traceback)

    def _find_gateway(self) -> None:
        from raptscallions_ai.settings import AiSettings

        named = {"gateway_url": self._gateway_url, "api_key": self._api_key}
        given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        settings = AiSettings.explicit(**given) if len(given) == len(named) else AiSettings(**given)
        self._gateway_url, self._api_key = settings.gateway_url, settings.api_key.get_secret_value()

    def _load(self) -> None:
        try:
            if others_can(self.path, stat.S_IWOTH):
                raise CassetteError(
                    f"{self.path} can be written by every user, so anybody's answers may be in it: chmod it"
                )
            with open(self.path, encoding="utf-8") as file:
                about, exchanges = read_lines(file)
        except FileNotFoundError:
            about, exchanges = None, []
        except (MalformedCassetteError, UnicodeDecodeError) as error:
            raise CassetteError(f"{self.path} is not a cassette: {error}") from None
        if about is None:
            raise CassetteError(f"{self.path} does not exist, and in mode replay nothing is recorded; {_HOW}")
        self._gateway_url = str(about.get("gateway", ""))
        self._recordings = Recordings(exchanges, self._ignore)

    def _choose(self, request: RecordedRequest) -> Reply | Relay:
        if self._recordings is None:
            self._recorders.append(Recorder(request, self._origin()))
            return self._recorders[-1]
        exchange = Exchange(request.method, request.target, dict(request.headers), request.body)
        exchange = exchange.without_secrets(self._filter(exchange))
        if (played := self._recordings.take(exchange)) is not None:
            return played.reply(real_time=self._real_time)
        why = self._recordings.why_none(exchange)
        self._problems.append(f"{request.method} {request.path}: {why}; {_HOW}")
        return json_reply({"error": {"code": 400, "message": f"{self.path.name}: {why}"}}, status=400)

    def _origin(self) -> str:
        url = urlsplit(self._gateway_url or "")
        return f"{url.scheme}://{url.netloc}"

    def _filter(self, exchange: Exchange) -> SecretFilter:
        return SecretFilter(exchange.request_headers, self._secrets)

    def _save(self, exchanges: list[Exchange]) -> None:
        """Replace the file at once, so that there is never half a cassette."""
        about = {"gateway": self._gateway_url, "recorded_at": datetime.now(UTC).isoformat(timespec="seconds")}
        lines = written_lines([exchange.without_secrets(self._filter(exchange)) for exchange in exchanges], about)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".part")
        with open(open_private(part), "w", encoding="utf-8", newline="\n") as file:
            file.writelines(line + "\n" for line in lines)
        part.replace(self.path)

    def __repr__(self) -> str:
        return f"Cassette({str(self.path)!r}, {'recording' if self.is_recording else 'replaying'})"


def _mode_of_the_environment() -> CassetteMode:
    if mode := os.environ.get("AI_CASSETTES"):
        return _checked(mode, "AI_CASSETTES")
    return "once" if os.environ.get("CI", "").lower() in ("", "0", "false") else "replay"


def _checked(mode: str, name: str) -> CassetteMode:
    if mode not in get_args(CassetteMode):
        raise ValueError(f"{name} must be one of {', '.join(get_args(CassetteMode))}, not {mode!r}")
    return cast("CassetteMode", mode)
