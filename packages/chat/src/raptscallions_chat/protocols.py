"""What the runtime needs of the outside, each as a small protocol: pass an object of your own to `create_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from raptscallions_ai import ChatClient
    from raptscallions_chat.domain.commands import Guard
    from raptscallions_chat.domain.log_batches import LogBatch
    from raptscallions_chat.domain.principal import Principal

__all__ = ["Admission", "Auth", "AuthRequest", "Clients", "Files", "LeasedClient", "LogReader", "RunLog", "Signals"]


class AuthRequest(Protocol):
    """What authentication may look at."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, found whatever their case."""
        ...

    @property
    def peer(self) -> str | None:
        """The address that the connection comes from."""
        ...

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def cookies(self) -> Mapping[str, str]:
        """The request's cookies."""
        ...


class Auth(Protocol):
    """Who a request is from."""

    async def authenticate(self, request: AuthRequest) -> Principal:
        """Return who asks.

        Raises:
            ChatError: `unauthenticated`, or `forbidden`.
        """
        ...


class LeasedClient(Protocol):
    """A client that a run uses, until it gives it back."""

    @property
    def client(self) -> ChatClient:
        """The client."""
        ...

    @property
    def credential_id(self) -> str | None:
        """The tenant's credential behind it; None for the service's own."""
        ...

    async def release(self) -> None:
        """Give it back; a client that nobody uses may be closed."""
        ...


class Clients(Protocol):
    """The client to ask for a tenant's runs."""

    async def lease(self, tenant_id: str, model: str | None) -> LeasedClient:
        """Return the client for a run.

        Raises:
            ChatError: `ai_not_configured`: the tenant has no credential, and may not use the service's own.
        """
        ...

    async def check(self, tenant_id: str, model: str | None) -> None:
        """Refuse, before anything is stored, what `lease` would refuse.

        Raises:
            ChatError: `ai_not_configured`.
        """
        ...

    async def aclose(self) -> None:
        """Close every client that is the runtime's own."""
        ...


class Admission(Protocol):
    """Limits that a send must keep: rates, budgets, runs at a time."""

    async def admit(self, principal: Principal) -> Guard | None:
        """Refuse a send, or return what is to be asked in the transaction that stores it.

        Raises:
            ChatError: `rate_limited`, `too_many_runs` or `budget_exceeded`.
        """
        ...


class LogReader(Protocol):
    """One reader's place in the log of a run."""

    @property
    def is_sound(self) -> bool:
        """Whether the log can be relied on now to tell what happens."""
        ...

    async def next(self, after: int, patience: float) -> Sequence[LogBatch]:
        """Return what the log has of the events that follow one, waiting for so many seconds; nothing if none came.

        What is returned may begin later than it should: then events are lost, and the store has them.
        """
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class RunLog(Protocol):
    """The events of live runs, for readers in every process. It may lose anything: the store is the truth."""

    def append(self, batches: Sequence[LogBatch]) -> None:
        """Append events of many runs; returns at once, and failures are logged, not raised."""
        ...

    def read(self, run_id: str) -> LogReader:
        """Return a reader of a run."""
        ...

    def wake_all(self) -> None:
        """Let every reader look whether it is to go."""
        ...

    def drop(self, run_ids: Sequence[str]) -> None:
        """Forget runs."""
        ...

    async def aclose(self) -> None:
        """Release everything."""
        ...


class Signals(Protocol):
    """Hints between processes; whoever misses one sees the same in the store a little later."""

    async def send(self, kind: str, value: str) -> None:
        """Tell every process; failures are logged, not raised."""
        ...

    def listen(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call a function with the value of every signal of this kind, also of those sent by this process."""
        ...

    async def aclose(self) -> None:
        """Release everything."""
        ...


class Files(Protocol):
    """Where the bytes of attachments are, by key."""

    async def put(self, key: str, data: bytes) -> None:
        """Store bytes; putting the same again is no error."""
        ...

    async def get(self, key: str) -> bytes:
        """Return bytes.

        Raises:
            KeyError: There are none of this key.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete bytes; that there are none is no error."""
        ...
