"""Batches: many requests handed over at once and answered within a day, at about half the price."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from raptscallions_ai._dialects.fields import count, moment, text
from raptscallions_ai._dialects.json import json_list, json_object, parse_json
from raptscallions_ai.errors import InvalidResponseError

if TYPE_CHECKING:
    from raptscallions_ai._call.document import JsonApi

__all__ = ["AnthropicBatches", "Batch", "BatchLine", "BatchShape", "OpenAIBatches", "OpenRouterBatches", "Outcome"]

_LARGEST_OBJECT = 4 << 20  # bytes of what says how a batch is
_LARGEST_RESULTS = 1 << 30
_PAGE = 100
_MOST_PAGES = 50
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_NOT_ASKED = frozenset({"batch_expired", "batch_cancelled", "request_expired", "expired", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch, as the gateway tells of it.

    Attributes:
        id: The gateway's id of it.
        status: The gateway's word for where it is.
        is_over: Whether all is answered that ever will be.
        created_at: When it was submitted; None if unknown.
        requests: How many requests it has; None if unknown.
        label: The label that it was submitted with; None if the gateway keeps none.
        problem: Why the gateway did not take it up after all; None if it did.
        raw: The object as the gateway sent it.
    """

    id: str
    status: str
    is_over: bool
    created_at: datetime | None = None
    requests: int | None = None
    label: str | None = None
    problem: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


class BatchLine(NamedTuple):
    """One request of a batch, ready to send.

    Attributes:
        custom_id: What tells it from the others.
        body: Its JSON body.
    """

    custom_id: str
    body: bytes


class Outcome(NamedTuple):
    """What a batch says of one request.

    Attributes:
        custom_id: Whose it is.
        status: The HTTP status that it would have had; 0 if it was not asked before the batch was over.
        body: The JSON body of the answer, or of the error.
    """

    custom_id: str
    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Request:
    model: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    quotable: Sequence[object] = field(default=(), repr=False)


class BatchShape(ABC):
    """How one kind of host has batches.

    Args:
        api: The host.

    Attributes:
        most_requests: The most requests of a batch.
        most_bytes: The most bytes of one.
    """

    most_requests: ClassVar[int]
    most_bytes: ClassVar[int] = 190 << 20
    _path: ClassVar[str] = "/batches"

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    @abstractmethod
    async def submit(self, lines: Sequence[BatchLine], *, model: str, label: str) -> Batch:
        """Hand a batch over, and return it as it is then."""

    async def get(self, batch_id: str) -> Batch | None:
        """Return how a batch is; None if the host knows none of that id."""
        document = await self._api.get(f"{self._path}/{batch_id}")
        return None if document is None else self._read(document)

    async def list(self) -> list[Batch]:
        """Return the batches of the key, the newest first, as far as the host lists them."""
        found, query = list[Batch](), dict[str, object]({"limit": _PAGE})
        for _ in range(_MOST_PAGES):
            page = json_object(await self._api.get(self._path, query))
            entries = json_list(page.get("data"))
            found += [self._read(entry) for entry in entries]
            following = self._next_page(page)
            if not entries or following is None:
                break
            query = {"limit": _PAGE, **following}
        return found

    @abstractmethod
    def outcomes(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Yield what became of each request of a batch that is over."""

    @abstractmethod
    def _read(self, document: object) -> Batch: ...

    def _next_page(self, page: Mapping[str, Any]) -> Mapping[str, object] | None:
        last = text(page, "last_id")
        return {"after": last} if page.get("has_more") is True and last is not None else None

    async def _post(self, path: str, request: _Request) -> object:
        return parse_json(await self._api.post(path, request, max_bytes=_LARGEST_OBJECT, once=True))

    async def _lines(self, path: str) -> Iterator[Mapping[str, Any]]:
        request = _Request("", b"", {"accept": "*/*"})
        data = await self._api.post(path, request, max_bytes=_LARGEST_RESULTS, method="GET")
        return (json_object(parse_json(line)) for line in data.splitlines() if line.strip())


class OpenRouterBatches(BatchShape):
    """Batches with their requests inline (OpenRouter, "Batch API"); the model is the variant `:batch` of one."""

    most_requests = 5_000

    async def submit(self, lines: Sequence[BatchLine], *, model: str, label: str) -> Batch:
        """Hand a batch over; the host keeps no label."""
        # It reads the body as a stream, and refuses one whose requests come first.
        head = msgspec.json.encode({"endpoint": "/v1/chat/completions", "model": model})[:-1]
        requests = b",".join(
            b'{"custom_id":%b,"body":%b}' % (msgspec.json.encode(line.custom_id), line.body) for line in lines
        )
        request = _Request(model, head + b',"requests":[' + requests + b"]}")
        return self._read(await self._post(self._path, request))

    async def outcomes(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Yield what became of each request."""
        whole = json_list(batch.raw.get("results"))
        cursor: str | None = None
        while not whole or cursor is not None:
            page = json_object(
                await self._api.get(f"{self._path}/{batch.id}/results", {"cursor": cursor} if cursor else None)
            )
            for line in json_list(page.get("data")) or json_list(page.get("results")):
                if (outcome := _openai_outcome(json_object(line))) is not None:
                    yield outcome
            if (cursor := text(page, "next_cursor")) is None:
                return
        for line in whole:
            if (outcome := _openai_outcome(json_object(line))) is not None:
                yield outcome

    def _read(self, document: object) -> Batch:
        return _openai_batch(document)

    def _next_page(self, page: Mapping[str, Any]) -> Mapping[str, object] | None:
        cursor = text(page, "next_cursor")
        return super()._next_page(page) if cursor is None else {"cursor": cursor}


class OpenAIBatches(BatchShape):
    """Batches whose requests and answers are files (OpenAI API reference, "Batches")."""

    most_requests = 50_000

    async def submit(self, lines: Sequence[BatchLine], *, model: str, label: str) -> Batch:
        """Upload the requests, and hand them over."""
        written = b"\n".join(
            b'{"custom_id":%b,"method":"POST","url":"/v1/chat/completions","body":%b}'
            % (msgspec.json.encode(line.custom_id), line.body)
            for line in lines
        )
        file_id = text(json_object(await self._post("/files", _upload(written, model))), "id")
        if file_id is None:
            raise InvalidResponseError("there is no id of the file in it")
        asked = {
            "input_file_id": file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {"label": label},
        }
        return self._read(await self._post(self._path, _Request(model, msgspec.json.encode(asked))))

    async def outcomes(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Yield what became of each request; answers are in one file, errors in another."""
        for name in ("output_file_id", "error_file_id"):
            if (file_id := text(batch.raw, name)) is not None:
                for line in await self._lines(f"/files/{file_id}/content"):
                    if (outcome := _openai_outcome(line)) is not None:
                        yield outcome

    def _read(self, document: object) -> Batch:
        return _openai_batch(document)


class AnthropicBatches(BatchShape):
    """Message batches (Anthropic API reference, "Message Batches")."""

    most_requests = 100_000
    _path = "/v1/messages/batches"

    async def submit(self, lines: Sequence[BatchLine], *, model: str, label: str) -> Batch:
        """Hand a batch over; the host keeps no label."""
        requests = b",".join(
            b'{"custom_id":%b,"params":%b}' % (msgspec.json.encode(line.custom_id), line.body) for line in lines
        )
        return self._read(await self._post(self._path, _Request(model, b'{"requests":[' + requests + b"]}")))

    async def outcomes(self, batch: Batch) -> AsyncIterator[Outcome]:
        """Yield what became of each request."""
        for line in await self._lines(f"{self._path}/{batch.id}/results"):
            result, custom_id = json_object(line.get("result")), text(line, "custom_id")
            if custom_id is None:
                continue
            if result.get("type") in _NOT_ASKED:
                yield Outcome(custom_id, 0)
            elif result.get("type") == "succeeded":
                yield Outcome(custom_id, 200, msgspec.json.encode(result.get("message")))
            else:
                error = json_object(result.get("error"))
                status = 400 if json_object(error.get("error")).get("type") == "invalid_request_error" else 500
                yield Outcome(custom_id, status, msgspec.json.encode(error))

    def _read(self, document: object) -> Batch:
        entry = json_object(document)
        if (batch_id := text(entry, "id")) is None:
            raise InvalidResponseError("there is no id of a batch in it")
        counts, status = json_object(entry.get("request_counts")), text(entry, "processing_status") or ""
        return Batch(
            id=batch_id,
            status=status,
            is_over=status == "ended",
            created_at=moment(entry, "created_at"),
            requests=sum(count(counts, name) or 0 for name in counts) if counts else None,
            raw=entry,
        )

    def _next_page(self, page: Mapping[str, Any]) -> Mapping[str, object] | None:
        following = super()._next_page(page)
        return None if following is None else {"after_id": following["after"]}


def _openai_batch(document: object) -> Batch:
    entry = json_object(document)
    if (batch_id := text(entry, "id")) is None:
        raise InvalidResponseError("there is no id of a batch in it")
    status, counts = text(entry, "status") or "", json_object(entry.get("request_counts"))
    created = entry.get("created_at")
    at = datetime.fromtimestamp(created, UTC) if isinstance(created, int | float) else moment(entry, "created_at")
    return Batch(
        id=batch_id,
        status=status,
        is_over=status in _OVER,
        created_at=at,
        requests=count(counts, "total"),
        label=text(json_object(entry.get("metadata")), "label"),
        problem=_problem(entry) if status == "failed" else None,
        raw=entry,
    )


def _problem(entry: Mapping[str, Any]) -> str:
    errors = json_list(json_object(entry.get("errors")).get("data"))
    reasons = [json_object(entry.get("error")), *map(json_object, errors)]
    return next((message for each in reasons if (message := text(each, "message"))), "the gateway does not say why")


def _openai_outcome(line: Mapping[str, Any]) -> Outcome | None:
    """Return what a line says; None if it is none of a request."""
    custom_id, error, response = text(line, "custom_id"), json_object(line.get("error")), line.get("response")
    if custom_id is None:
        return None
    if error.get("code") in _NOT_ASKED:
        return Outcome(custom_id, 0)
    if response is None:
        return Outcome(custom_id, 500, msgspec.json.encode({"error": error}))
    answer = json_object(response)
    status = count(answer, "status_code") or 200
    return Outcome(custom_id, status, msgspec.json.encode(answer.get("body")))


def _upload(written: bytes, model: str) -> _Request:
    """Return the form that a file of requests is sent with."""
    # No JSON has this line in it: there, line feeds are escaped.
    boundary = "raptscallions-ai-requests"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="requests.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    body = head.encode() + written + f"\r\n--{boundary}--\r\n".encode()
    return _Request(model, body, {"content-type": f"multipart/form-data; boundary={boundary}"})
