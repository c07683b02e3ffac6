"""What a gateway says about a failure, read from every known shape; `failures.py` decides what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.error_codes import STATUS_OF_CODE, STRONG_CODES, WEAK_CODES, normalized
from raptscallions_ai._dialects.json import json_list, json_object, parse_json
from raptscallions_ai.errors.text import printable_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raptscallions_ai.errors import AiError

__all__ = ["Failure", "cleaned", "count_of", "read_failure", "is_bare_error"]

_LONGEST_READ = 4000  # of a text before the key and the prompt are taken out of it
_DEEPEST = 5  # envelopes around an error object
_DEEPEST_RAW = 3  # gateways behind gateways, each with the error of the next as a text
_TAGS = re.compile(r"<[^>]{0,200}>")
_CODE_LIKE = re.compile(r"[A-Za-z][\w.-]*")

# Where the sentence stands, or the object that has it: OpenAI and most; FastAPI; aiohttp; Cloudflare; MiniMax; Apigee;
# Baidu, AWS, Z.AI's own API; OAuth; and RFC 9457, whose title says less than its detail.
_PLACES = (
    *("error", "detail", "html-message", "message", "errors", "base_resp", "fault"),
    *("error_message", "error_msg", "errorMessage", "Message", "msg", "status_msg", "faultstring"),
    *("error_description", "title"),
)
# An object without choices that has one of these, and nothing of a chunk, is an error that came without its envelope.
_TELLING = ("message", "detail", "errors", "base_resp", "fault", "error_msg", "msg", "Message")


@dataclass(slots=True)
class Failure:
    """A failure as the gateway reported it, whatever shape it came in.

    Attributes:
        status: The HTTP status, or the status that an error inside a stream names; None if neither says.
        message: The gateway's sentence, cleaned of control characters; empty if there is none.
        error_type: The gateway's own name for the failure.
        codes: All the names that it gives to it, the most telling place first.
        body: The innermost error object.
        headers: The response's headers, with lower-case names; empty inside a stream.
        typed: The error itself, where it was told as one of ours.
        upstream: What the provider behind the gateway said, where the gateway passes it on (`metadata.raw`).
    """

    status: int | None = None
    message: str = ""
    error_type: str | None = None
    codes: tuple[str, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    upstream: Failure | None = field(default=None, repr=False)
    typed: AiError | None = None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """OpenRouter's `error.metadata`."""
        return json_object(self.body.get("metadata"))

    @property
    def availability(self) -> Mapping[str, Any]:
        """OpenRouter's `error.availability`."""
        return json_object(self.body.get("availability"))

    @property
    def is_page(self) -> bool:
        """Whether it is an HTML page, so that a proxy speaks and not the gateway."""
        return self.message.startswith("an HTML page: ")

    @property
    def chain(self) -> Iterator[Failure]:
        """This failure and those behind it."""
        failure: Failure | None = self
        while failure is not None:
            yield failure
            failure = failure.upstream


def read_failure(
    payload: object, *, status: int | None = None, headers: Mapping[str, str] | None = None, depth: int = 0
) -> Failure:
    """Read an error in any shape: an envelope, an error object, a string, a list of validation errors, HTML.

    Args:
        payload: Parsed JSON, or text where it was not JSON.
        status: The HTTP status of an error response; None for an error inside a successful response.
        headers: The response's headers with lower-case names.
        depth: How many gateways it came through.
    """
    text, body = _unwrap(payload)
    codes = tuple(_codes(body, headers or {}))
    if code := _code_like(payload):
        codes = (code, *codes)
    known = next((code for code in codes if normalized(code) in STRONG_CODES or normalized(code) in WEAK_CODES), None)
    error_type = known or next((code for code in codes if not code.isdigit()), None)
    named = (_status(body.get(name)) for name in ("code", "http_status", "status", "http_code"))
    return Failure(
        status=status or next(filter(None, named), None) or STATUS_OF_CODE.get(normalized(error_type or "")),
        message=cleaned(text),
        error_type=error_type,
        codes=codes,
        body=body,
        headers=headers or {},
        upstream=_upstream(json_object(body.get("metadata")).get("raw"), depth),
    )


def is_bare_error(body: Mapping[str, object]) -> bool:
    """Whether an object that has nothing of a chunk is an error that came without its envelope."""
    if "base_resp" in body and json_object(body["base_resp"]).get("status_code") in (None, 0):
        return False  # MiniMax says of each good answer that it is one
    return any(body.get(name) for name in _TELLING)


def cleaned(text: str) -> str:
    """Return one printable line, safe for a terminal and a log, and of a page only its text."""
    text = text[:_LONGEST_READ]
    if text.lstrip()[:1] == "<":
        text = "an HTML page: " + _TAGS.sub(" ", text)
    return printable_line(text)


def count_of(value: object) -> int | None:
    """Return a number that can count or number something: no boolean, not negative, not of absurd length."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000 else None


def _upstream(raw: object, depth: int) -> Failure | None:
    if depth >= _DEEPEST_RAW or not raw or not isinstance(raw, str | dict | list):
        return None
    payload = cast("object", raw)
    if isinstance(payload, str) and payload.lstrip()[:1] in ("{", "["):
        payload = parse_json(payload.encode("utf-8", "replace"))
    return read_failure(payload, depth=depth + 1)


def _codes(body: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the names and numbers of a failure, the most telling place first."""
    metadata, availability = json_object(body.get("metadata")), json_object(body.get("availability"))
    details = body.get("details")
    places: list[object] = [
        *(metadata.get("error_type"), body.get("error_type"), availability.get("code"), body.get("code")),
        *(
            body.get("type"),
            _code_like(body.get("error")),
            body.get("status"),
            body.get("errorcode"),
            body.get("__type"),
        ),
        *(json_object(details).get("error_code"), json_object(body.get("innererror")).get("code")),
        *(json_object(item).get("reason") for item in json_list(details)[:_DEEPEST]),
        *(headers.get("x-amzn-errortype"), headers.get("x-amzn-error-type")),
    ]
    for value in places:
        if isinstance(value, int) and not isinstance(value, bool) and 1000 <= value <= 9999:
            yield str(value)  # a vendor's own number; three digits are a status
        elif isinstance(value, str) and value and not (value.isdigit() and len(value) == 3):
            yield value


def _code_like(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE_LIKE.fullmatch(value) else None


def _unwrap(payload: object, depth: int = 0) -> tuple[str, Mapping[str, Any]]:
    """Return the gateway's sentence and the innermost error object."""
    if depth > _DEEPEST:
        return "", {}
    if listed := json_list(payload):
        return _unwrap_list(listed, depth + 1)
    if isinstance(payload, str):
        return payload, {}
    body = json_object(payload)
    for key in _PLACES:
        inner: object = body.get(key)
        if isinstance(inner, str) and inner:
            return _sentence_beside(inner, body) if key == "error" else inner, body
        if inner and not isinstance(inner, str):
            text, nested = _unwrap(inner, depth + 1)
            return text or _of_fields(inner), nested or body
    return "", body


def _sentence_beside(error: str, body: Mapping[str, object]) -> str:
    """Return the sentence beside a code that stands in its place, as OAuth has it; else what stands there."""
    if not _CODE_LIKE.fullmatch(error):
        return error
    candidates = (body.get(name) for name in ("message", "detail", "error_description"))
    return next((text for text in candidates if isinstance(text, str) and text), error)


def _of_fields(fields: object) -> str:
    """Return what is wrong with each field, as ASP.NET and Laravel tell it: `{"model": ["is required"]}`."""
    problems: list[str] = []
    for name, reasons in list(json_object(fields).items())[:_DEEPEST]:
        problems += [f"{name}: {reason}" for reason in json_list(reasons)[:1] if isinstance(reason, str)]
    return "; ".join(problems)


def _unwrap_list(items: list[object], depth: int) -> tuple[str, Mapping[str, Any]]:
    """Read a list: either one envelope in a list, or validation errors of which only place and reason are safe."""
    if "msg" not in json_object(items[0]):
        first, body = _unwrap(items[0], depth)
        others = [text for item in items[1:_DEEPEST] if (text := _unwrap(item, depth)[0])]
        return "; ".join([first, *others]) if first else "", body
    problems: list[str] = []
    for item in items[:5]:
        reason, loc = json_object(item).get("msg"), json_list(json_object(item).get("loc"))
        if isinstance(reason, str):
            place = ".".join(
                str(part) for part in loc[:_DEEPEST] if isinstance(part, str) or count_of(part) is not None
            )
            problems.append(f"{place}: {reason}" if place else reason)
    return "; ".join(problems), {}


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None
