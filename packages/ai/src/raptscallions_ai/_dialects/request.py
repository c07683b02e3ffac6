"""A call's request: messages and options in, the bytes to send out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import msgspec

from raptscallions_ai.messages.checks import check_conversation
from raptscallions_ai.messages.message import to_wire
from raptscallions_ai.options.checks import checked_fields
from raptscallions_ai.options.routing import NO_ALIASES, resolve_model_alias
from raptscallions_ai.tools.tool import tools_to_wire

if TYPE_CHECKING:
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions

__all__ = ["ChatRequest", "build_request", "checked_headers", "checked_query", "written"]

# RFC 9110, sections 5.1 and 5.5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# RFC 9110, section 7.6.1, and what frames the body: the transport sets them, and a wrong one would make the rest of
# the body the next request of the connection. `Host` and `Proxy-Authorization` decide who gets the request.
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion request, ready to send; its repr shows sizes only.

    Attributes:
        model: The model asked for.
        stream: Whether the answer is to be streamed.
        body: The JSON body; its key order depends on nothing but the options given.
        conversation: The messages in the wire format.
        headers: Further headers.
        query: Further query parameters.
    """

    model: str
    stream: bool
    body: bytes = field(repr=False)
    conversation: list[Mapping[str, object]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, object] = field(repr=False)

    def for_model(self, model: str) -> ChatRequest:
        """Return the same request to another model."""
        fields = self.fields()
        fields["model"] = model
        return replace(self, model=model, body=written(fields))

    def continuing(self, text: str) -> ChatRequest:
        """Return the same request, with `text` as the beginning of the answer that the model is to go on with."""
        fields = self.fields()
        conversation: list[dict[str, Any]] = fields["messages"]
        last = conversation[-1] if conversation else {}
        if last.get("role") == "assistant" and isinstance(last.get("content"), str):
            last["content"] += text
        else:
            conversation.append({"role": "assistant", "content": text})
        return replace(self, body=written(fields))

    def followed_by(self, message: Mapping[str, object]) -> ChatRequest:
        """Return the same request with one more message at the end of the conversation."""
        fields = self.fields()
        fields["messages"].append(message)
        return replace(self, body=written(fields))

    def respelt(self, fields: Mapping[str, object]) -> ChatRequest:
        """Return the same request with another body."""
        return replace(self, body=written(fields))

    @property
    def is_plain_text(self) -> bool:
        """Whether it asks for nothing but text: no given format and no visible reasoning."""
        return not self.fields().keys() & {"response_format", "reasoning", "reasoning_effort"}

    def fields(self) -> dict[str, Any]:
        """Return the body as an object of its own."""
        # Read back from the bytes, so that a conversation that the caller has gone on with meanwhile changes nothing.
        return msgspec.json.decode(self.body, type=dict[str, Any])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a request cannot be pickled or copied: it holds the conversation")


def build_request(
    messages: Messages, *, model: str, options: CallOptions, aliases: Mapping[str, str] = NO_ALIASES
) -> ChatRequest:
    """Check the options and build the request.

    Args:
        messages: The conversation.
        model: The model to ask for.
        options: What is None is left out.
        aliases: Short names of models, for `model` and the option `models`.

    Raises:
        TypeError: An option is unknown or of a wrong type, or a value cannot be written as JSON.
        ValueError: An option is out of range, or a header or the model cannot be sent.
    """
    fields = checked_fields(options)
    conversation = to_wire(messages)
    check_conversation(conversation)
    if (instructions := options.get("system")) is not None:
        if not isinstance(cast("object", instructions), str):
            raise TypeError(f"system must be a str, not {type(instructions).__name__}")
        conversation = [{"role": "system", "content": instructions}, *conversation]
    body: dict[str, object] = {"model": resolve_model_alias(model, aliases), "messages": conversation}
    body["stream"] = True
    # OpenRouter always sends usage; every other gateway has to be asked.
    body["stream_options"] = {"include_usage": True}
    if "models" in fields:
        fields["models"] = [resolve_model_alias(name, aliases) for name in fields["models"]]
    if "tools" in fields:
        fields["tools"] = tools_to_wire(fields["tools"])
    body |= fields
    extra = options.get("extra_body") or {}
    if not isinstance(cast("object", extra), Mapping):
        raise TypeError(f"extra_body must be a mapping, not {type(extra).__name__}")
    body |= extra
    if not isinstance(body["messages"], list):
        raise TypeError("extra_body: messages must be a list")
    if not body["stream"] or body["stream_options"] is None:  # None: the gateway does not know it
        body.pop("stream_options", None)
    return ChatRequest(
        model=str(body["model"]),
        stream=bool(body["stream"]),
        body=written(body),
        # What is really sent, for it is this that a gateway may quote back.
        conversation=cast("list[Mapping[str, object]]", body["messages"]),
        headers=checked_headers(options.get("extra_headers") or {}),
        query=checked_query(options.get("extra_query") or {}),
    )


def checked_query(query: Mapping[str, object]) -> Mapping[str, object]:
    """Return further query parameters, checked to be a mapping.

    Raises:
        TypeError: They are no mapping.
    """
    if not isinstance(cast("object", query), Mapping):
        raise TypeError(f"extra_query must be a mapping, not {type(query).__name__}")
    return query


def written(body: Mapping[str, object]) -> bytes:
    """Return a body as JSON.

    Raises:
        ValueError: It cannot be written; the error holds nothing of it.
    """
    try:
        return _encode(body)
    except RecursionError:
        why = "are nested too deeply to be written as JSON"
    except UnicodeEncodeError:  # which holds the whole text, and its repr shows it
        why = "contain half a character (a lone surrogate), which UTF-8 cannot encode; str.encode shows where"
    raise ValueError(f"the messages or options {why}")


def checked_headers(headers: Mapping[str, str], name: str = "extra_headers") -> Mapping[str, str]:
    """Return further headers, once it is sure that they can be sent and change nothing but this request.

    Args:
        headers: The headers.
        name: What the caller calls them.

    Raises:
        TypeError: A name or a value is no text.
        ValueError: A name or a value cannot be sent, or the header belongs to the connection.
    """
    if not isinstance(cast("object", headers), Mapping):
        raise TypeError(f"{name} must be a mapping of str to str, not {type(headers).__name__}")
    for header, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(header, str) or not isinstance(value, str):
            raise TypeError(f"{name} must map str to str")
        if not _HEADER_NAME.fullmatch(header):
            # Not quoted: it may be a whole header line, with a key in it.
            raise ValueError(f"{name}: a name contains characters that a header name may not have")
        if header.lower() in _OF_THE_CONNECTION:
            raise ValueError(f"{name}: {header!r} belongs to the connection, and the client sets it")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"{name}: the value of {header!r} contains control characters or ones outside Latin-1")
    return headers
