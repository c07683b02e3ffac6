"""`RequestMaker`: from a row to what is asked, and the key under which equal requests are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from raptscallions_ai import Tool, system, user
from raptscallions_bulk.errors import SourceError
from raptscallions_bulk.rows.template import Template

__all__ = ["Ask", "Request", "RequestMaker", "digest_of"]

Ask: TypeAlias = "str | Callable[[dict[str, Any]], Any]"
"""What is asked of a row: a template, or a function of the row that returns a text or a list of messages."""

_FRAME = 16  # tokens around a message, at most
_MEDIA = 4000  # tokens of an image or a page behind an address, at most


class Request(NamedTuple):
    """What is asked of one row.

    Attributes:
        messages: The conversation.
        digest: 16 bytes that are the same for equal requests only.
        prompt_tokens: The most tokens that it can have.
    """

    messages: Any
    digest: bytes
    prompt_tokens: int


class RequestMaker:
    """Makes the request of each row.

    Args:
        ask: A template, or a function.
        instructions: The system message, for a template or a function that returns a text.
        model: The model; None for the client's default.
        options: The options of all requests.
        schema: The JSON schema of the answers, if they have one.
    """

    def __init__(
        self, ask: Ask, *, instructions: str | None, model: str | None, options: Mapping[str, Any], schema: Any
    ) -> None:
        self._template = Template(ask) if isinstance(ask, str) else None
        self._function = None if isinstance(ask, str) else ask
        self._system = None if instructions is None else system(instructions)
        self._frame = _encode([model, options, schema])
        self._base = hashlib.blake2b(self._frame, digest_size=16)
        self._tokens = len(_encode(schema)) + len(_encode(options.get("tools"))) + _FRAME

    @property
    def fingerprint(self) -> dict[str, str]:
        """What is different when other requests are made of the same rows."""
        if self._template is not None:
            ask = self._template.text
        else:
            code = getattr(self._function, "__code__", None)
            ask = repr((code.co_code, code.co_consts)) if code is not None else type(self._function).__name__
        spoken = "" if self._system is None else repr(self._system.content)
        return {"ask": digest_of([ask, spoken]), "options": hashlib.blake2b(self._frame, digest_size=16).hexdigest()}

    def make(self, row: dict[str, Any]) -> Request:
        """Return the request of a row.

        Raises:
            SourceError: The row lacks a field, or the function failed or returned something else.
        """
        asked: Any = self._call(row) if self._template is None else self._template.fill(row)
        if isinstance(asked, str) and self._system is not None:
            asked = [self._system, user(asked)]
        content = _encode(asked)
        digest = self._base.copy()
        digest.update(content)
        return Request(asked, digest.digest(), self._tokens + _most_tokens(asked, content))

    def _call(self, row: dict[str, Any]) -> Any:
        assert self._function is not None
        try:
            asked: Any = self._function(row)
        except Exception as error:
            raise SourceError(f"`ask` failed with {type(error).__name__}") from error
        if isinstance(asked, str) or (isinstance(asked, Sequence) and asked):
            return cast("Any", asked)
        kind = type(cast("object", asked)).__name__
        raise SourceError(f"`ask` must return a text or a list of messages, not {kind}")


def digest_of(value: Any) -> str:
    """Return a short text that is the same for equal values only."""
    return hashlib.blake2b(_encode(value), digest_size=16).hexdigest()


def _most_tokens(asked: Any, content: bytes) -> int:
    """Return the most tokens that a conversation can have: one for each byte of it, which no tokenizer exceeds."""
    if isinstance(asked, str):
        return len(content) + _FRAME
    parts = content.count(b'"image_url"') + content.count(b'"file"')
    return len(content) + _FRAME * len(asked) + _MEDIA * parts


def _plain(value: Any) -> Any:
    """Return what stands for an object that JSON does not know; it must not change from process to process."""
    if isinstance(value, Tool):
        return value.to_dict()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__name__} cannot be part of a request")


_encode = msgspec.json.Encoder(enc_hook=_plain, order="deterministic").encode
