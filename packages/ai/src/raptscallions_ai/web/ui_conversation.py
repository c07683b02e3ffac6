"""The other direction of the AI SDK's protocol: the messages that `useChat` sends, as a conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.errors import InvalidMediaError
from raptscallions_ai.messages.media import MAX_BYTES, MediaType, read_media
from raptscallions_ai.messages.message import ChatMessage, tool_result, user
from raptscallions_ai.tools.tool_call import ToolCall
from raptscallions_ai.web.sent_back import SENT_BACK, read_sent_back

if TYPE_CHECKING:
    from raptscallions_ai.messages.parts import ContentPart

__all__ = ["from_ui_messages"]

_STANDARD_NAMES = {"image/jpg": "image/jpeg"}  # which Anthropic alone takes
_FILE_URLS = ("data:", "https://", "http://")


def from_ui_messages(messages: Sequence[Mapping[str, object]]) -> list[ChatMessage]:
    """Return the conversation in the AI SDK's UI messages, as a browser sends them.

    User messages keep their text and files. Answers keep their text, images, file annotations and those tool calls
    that have a result, each followed by its result; a call without one is left out, because gateways refuse it.
    Reasoning and sources are for people, and are not sent back; signatures and what else a gateway wants back is, if
    the message has the `data-sent-back` part of `ui_message_stream`.

    A browser can send anything: only what is known here passes, and no system message, which is for the server to put
    in front.

    Args:
        messages: The field `messages` of the request that `useChat` makes.

    Raises:
        ValueError: Something is not a UI message of a user or an assistant; the text says which and why.

    See https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message
    """
    if not isinstance(cast("object", messages), Sequence) or isinstance(messages, str | bytes):
        raise ValueError("messages must be a list")
    conversation: list[ChatMessage] = []
    for position, message in enumerate(messages):
        try:
            conversation += _converted(_object(message, "it"))
        except ValueError as error:
            raise ValueError(f"messages[{position}]: {error}") from None
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"messages[{position}]: not a UI message ({type(error).__name__})") from None
    return conversation


def _converted(message: Mapping[str, object]) -> list[ChatMessage]:
    given = message.get("parts")
    if not isinstance(given, list):
        raise ValueError("parts must be a list")
    parts = [_object(part, "each part") for part in cast("list[object]", given)]
    match message.get("role"):
        case "user":
            return [_question(parts)]
        case "assistant":
            return _answer(parts)
        case _:
            raise ValueError("the role must be user or assistant; instructions are for the server to add")


def _question(parts: list[Mapping[str, object]]) -> ChatMessage:
    content: list[ContentPart] = []
    for part in parts:
        if part.get("type") == "text":
            content.append({"type": "text", "text": _text(part, "text")})
        elif part.get("type") == "file":
            content.append(_file(part))
    if not content:
        raise ValueError("it has neither text nor a file")
    texts = [_text(part, "text") for part in parts if part.get("type") == "text"]
    if len(texts) == len(content):
        return user("\n".join(texts))
    return user(content)


def _answer(parts: list[Mapping[str, object]]) -> list[ChatMessage]:
    """Return one assistant message for each step of the answer, followed by the results of its tool calls."""
    steps: list[list[Mapping[str, object]]] = [[]]
    for part in parts:
        if part.get("type") == "step-start":
            steps.append([])
        else:
            steps[-1].append(part)
    return [message for step in steps for message in _step(step)]


def _step(parts: list[Mapping[str, object]]) -> list[ChatMessage]:
    texts: list[str] = []
    calls: list[ToolCall] = []
    results: list[ChatMessage] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    extra: dict[str, Any] = {}
    signed: dict[str, Any] = {}
    for part in parts:
        type_ = _text(part, "type")
        if type_ == "text":
            texts.append(_text(part, "text"))
        elif type_ == "file" and (file := _file(part))["type"] == "image_url":
            images.append(dict(file))
        elif type_ == "data-annotation":
            annotation = _object(part.get("data"), "the data of an annotation")
            # The only kind that is good for anything upstream: it spares a file from being parsed again.
            if annotation.get("type") == "file":
                annotations.append(dict(annotation))
        elif type_ == SENT_BACK:
            extra, signed = read_sent_back(_object(part.get("data"), "the data of what is sent back"))
        elif (result := _result(part)) is not None:
            name = _text(part, "toolName") if type_ == "dynamic-tool" else type_.removeprefix("tool-")
            calls.append(ToolCall(_text(part, "toolCallId"), name, _json(part.get("input", {}))))
            results.append(tool_result(calls[-1].id, result))
    if not texts and not calls and not images:
        return []
    content = "".join(texts) or (None if calls else "")
    fields: dict[str, Any] = {"images": tuple(images), "annotations": tuple(annotations)}
    fields["tool_calls"] = tuple(replace(call, extra=signed.get(call.id, {})) for call in calls)
    fields["reasoning_details"] = tuple(extra.pop("reasoning_details", ()))
    fields["extra"] = extra
    return [ChatMessage("assistant", content, **fields), *results]


def _result(part: Mapping[str, object]) -> str | None:
    """Return a tool call's result as text for the model; None if there is none yet, and for other parts."""
    if not str(part["type"]).startswith(("tool-", "dynamic-tool")):
        return None
    match part.get("state"):
        case "output-available":
            output = part.get("output")
            return output if isinstance(output, str) else _json(output)
        case "output-error":
            return _text(part, "errorText")
        case "output-denied":
            return "The user did not allow this call."
        case _:
            return None


def _file(part: Mapping[str, object]) -> ContentPart:
    """Return a file as a content part of its kind."""
    url, media_type = _text(part, "url"), _text(part, "mediaType")
    if not url.startswith(_FILE_URLS):
        raise ValueError("the url of a file must be an http, https or data URL")
    if url.startswith("data:"):
        url, media_type = _relabelled(url, media_type)
    kind = media_type.partition("/")[0]
    if kind in ("image", "video"):
        return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}
    if kind == "audio":
        _, _, data = url.partition(";base64,")
        if not data:
            raise ValueError("audio must be a base64 data URL")
        return {"type": "input_audio", "input_audio": {"data": data, "format": _audio_format(media_type)}}
    name = part.get("filename")
    return {"type": "file", "file": {"filename": name if isinstance(name, str) else "file", "file_data": url}}


def _relabelled(url: str, media_type: str) -> tuple[str, str]:
    """Return a data URL and a media type that say what the content is: browsers go by the name of a file."""
    try:
        media = read_media(url, max_bytes=MAX_BYTES)
    except InvalidMediaError as error:
        raise ValueError(f"the url of a file: {error.message}") from None
    if (found := media.by_signature()) is not None:
        return media.data_url(found), found.name
    named = _STANDARD_NAMES.get(media_type.lower())
    return (media.data_url(MediaType(named, "")), named) if named else (url, media_type)


def _audio_format(media_type: str) -> str:
    subtype = media_type.partition("/")[2].partition(";")[0].removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav"}.get(subtype, subtype)


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be an object")
    return cast("Mapping[str, object]", value)


def _text(part: Mapping[str, object], key: str) -> str:
    value = part.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} of a part must be a str")
    return value


def _json(value: object) -> str:
    """Return a value as JSON; what a browser has sent can be nested too deeply for it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
