"""The pure heart of a stream: wire chunks in, stream chunks out, and in the end one result or one error.

No I/O, no clock, no SDK: the same events give the same chunks however their bytes were cut.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.chunk import NO_USAGE, WireChoice, WireDelta
from raptscallions_ai._dialects.content import AnswerContent
from raptscallions_ai._dialects.failures import URL_SETTING, classify, printable_name, read_failure
from raptscallions_ai._dialects.json import MalformedJSONError, json_object, parse_object
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._dialects.sources import Sources
from raptscallions_ai._dialects.usage import UsageMeter
from raptscallions_ai.answer.chunks import ContentChunk
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError, InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raptscallions_ai._dialects.chunk import WireChunk, WireTimings
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["Fold"]

_TOKEN_LIMIT_TYPES = frozenset({"max_tokens_exceeded", "token_limit_exceeded", "context_length_exceeded"})
_TOKEN_LIMIT_TEXT = re.compile(r"token limit|max[_ ]?(?:completion_|output_)?tokens", re.IGNORECASE)
_NO_CHOICE = -1
# DeepSeek: not enough machines; Google: the model wrote a call that cannot be read
_FAILED_UPSTREAM = frozenset(
    {"error", "network_error", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL", "malformed_function_call"}
)
# Mistral; Z.AI, twice
_FINISH_REASONS = {"model_length": "length", "model_context_window_exceeded": "length", "sensitive": "content_filter"}


class Fold:
    """Fold the wire chunks of one answer into stream chunks and a result.

    Args:
        model: The model that was asked for; the answer's own `model` replaces it.
        require_usage: Whether an answer without usage is an error.
        redact: Removes the key and the prompt from a gateway's error message.
        url_name: What the user set the gateway's URL with, for messages that send them there.
        price: Returns a usage with its cost, by the names of the model that answered and of the one that was asked.

    Attributes:
        asked_model: The requested model.
        started: Whether any content was received, so that the call can no longer be retried unseen.
        settled: Whether nothing is missing any more, so that the end mark need not be waited for at length.
        native: Returns the answer in its own dialect; set by a reader whose dialect is not the canonical one.
        failure: What is wrong with the answer, once something is; nothing may be fed after it.
    """

    def __init__(
        self,
        *,
        model: str,
        require_usage: bool,
        redact: Callable[[str], str],
        url_name: str = URL_SETTING,
        price: Callable[[Usage, str | None, str | None], Usage] | None = None,
    ) -> None:
        self.started = self.awaits_end = False
        self.failure: AiError | None = None
        self.asked_model = model
        self._require_usage = require_usage
        self._redact = redact
        self._url_name = url_name
        self._price = price
        self._timings: WireTimings | None = None
        self._model = model
        self._id: str | None = None
        self._provider: str | None = None
        self._fed = False
        self._upstream_failed = False
        self._done = False
        self._whole = False
        self._choice: int | None = None
        self._quick = _NO_CHOICE  # the choice whose plain chunks take the short way, if any do
        self._answer = AnswerContent()
        self._content = self._answer.texts
        self._sources: Sources | None = None
        self._logprobs: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._native_finish_reason: str | None = None
        self._usage = UsageMeter()
        self.native: Callable[[], Mapping[str, Any]] | None = None
        self._whole_result: ChatResult | None = None

    @property
    def complete(self) -> bool:
        """Whether there is terminal evidence: a finish reason, the end mark together with usage, or a whole body."""
        return self._finish_reason is not None or self._whole or (self._done and self._usage.seen)

    @property
    def generation_id(self) -> str | None:
        """The gateway's id of the generation, once a chunk has brought it."""
        return self._id

    @property
    def usage(self) -> Usage:
        """The usage that the gateway has reported so far, with its cost where prices are given."""
        usage = self._usage.result()
        return usage if self._price is None else self._price(usage, self._model, self.asked_model)

    @property
    def has_partial(self) -> bool:
        """Whether anything was received that a partial result could hold."""
        return self.started or self._usage.seen or self._id is not None

    def feed(self, chunk: WireChunk, out: list[StreamChunk]) -> None:
        """Take in one chunk and append what it adds to `out`; sets `failure` if it reports one.

        Usage is read first, because the chunk that reports a failure may carry it.
        """
        self._fed = True
        if self._id is None:
            self._id = chunk.id or None
        if chunk.model:
            self._model = chunk.model
        if chunk.provider:
            self._provider = chunk.provider
        if chunk.usage is not NO_USAGE:
            self._usage.feed(chunk.usage)
            self._timings = chunk.timings or self._timings
            self.awaits_end = self._finish_reason is not None and self._usage.seen
        choices = chunk.choices
        # The first chunk settles which choice is taken, so it goes the long way.
        if choices and (delta := choices[0].delta) and chunk.error is None:
            # Nearly all chunks bring text and nothing else, or a piece of a tool call; their way is much shorter. They
            # are compared as a whole: one step instead of one a field, and no later field can be forgotten.
            text = delta.content
            if type(text) is str and text and choices == [WireChoice(self._quick, WireDelta(text))]:
                self._content.append(text)
                self.started = True
                out.append(ContentChunk(text))
                return
            if delta.tool_calls and (piece := self._feed_piece(choices, delta)):
                self.started = True
                out.append(piece)
                return
        self._feed_all(chunk, out)

    def _feed_all(self, chunk: WireChunk, out: list[StreamChunk]) -> None:
        """Take in whatever a chunk can bring."""
        if chunk.x_groq is not None:
            self._usage.feed(chunk.x_groq.usage)
        before, error = len(out), chunk.error or (chunk.base_resp and _failed_base_resp(chunk.base_resp))
        if chunk.citations or chunk.search_results or chunk.web_search:
            self._sources = self._sources or Sources()
            for annotation in self._sources.feed(chunk):
                self._answer.annotate(annotation, out)
        choices = chunk.choices or []
        if self._choice is None and choices:
            # Of several answers the first is taken, wherever in the list it stands.
            self._choice = choices[0].index or 0 if len(choices) == 1 else min(choice.index or 0 for choice in choices)
        for choice in choices:
            error = self._feed_choice(choice, out) or error
        self._quick = self._choice if self._choice is not None and self._answer.is_plain else _NO_CHOICE
        if len(out) > before:
            self.started = True
        if error:
            self.report(error)
        elif self._upstream_failed and self.failure is None:
            self.failure = StreamInterruptedError("the provider failed while it was answering", retryable=True)

    def add_text(self, text: str, out: list[StreamChunk]) -> None:
        """Take in a piece of the text, which must not be empty: what `feed` does with a chunk that holds no more."""
        self._content.append(text)
        self.started = True
        out.append(ContentChunk(text))

    def report(self, error: object) -> None:
        """Take in an error that the gateway reported inside the response, in any shape."""
        self._fed = True
        failure = read_failure(error)
        # An answer that stopped at its token limit is complete, although some routes report that as an error too.
        if self._finish_reason == "length" and (
            failure.error_type in _TOKEN_LIMIT_TYPES or _TOKEN_LIMIT_TEXT.search(failure.message)
        ):
            self._upstream_failed = False
            return
        self.failure = classify(failure, model=self.asked_model, redact=self.redacted, url_name=self._url_name)

    def fail(self, error: AiError) -> None:
        """Note what is wrong with the answer itself, as it was read."""
        self.failure = error

    def redacted(self, text: str) -> str:
        """Hide what a gateway quotes, of the request and of the answer so far: moderation quotes what it flagged."""
        answer = self.partial()
        answer_texts = [answer.content, answer.reasoning, *map(_arguments, answer.tool_calls)]
        return Redactor([], answer_texts)(self._redact(text))

    def take_whole(self, result: ChatResult) -> None:
        """Take in the result as it was told, which stands for what it was told in pieces before."""
        self._whole_result = result

    def excuse_usage(self) -> None:
        """Let an answer without usage be whole, because the host was not asked for any."""
        self._require_usage = False

    def mark_done(self, *, whole: bool = False) -> None:
        """Note that the end mark `[DONE]` was seen; or, if `whole`, the end of a JSON body, which proves itself."""
        self._done = True
        self._whole = whole

    def close(self, cut: str | None = None) -> ChatResult | None:
        """Return the finished answer; None if there is none, and then `failure` says why.

        That is the gateway's own error, if it reported one; else that there is no evidence that the answer is complete,
        that it has no content at all, or no usage although that is required.

        Args:
            cut: What cut the connection, if anything did; None for a clean end.
        """
        self.failure = self.failure or self._problem(cut)
        return self.partial() if self.failure is None else None

    def describe(self, error: AiError) -> None:
        """Put on an error what had arrived of the answer that it ended."""
        if self.has_partial:
            error.partial = error.partial or self.partial()
            error.request_id = error.request_id or printable_name(self._id, self._redact)
            error.provider = error.provider or printable_name(self._provider, self._redact)

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        if self._whole_result is not None:
            return self._whole_result
        fields = self._answer.fields()
        finish = self._finish_reason
        if fields["tool_calls"] and finish in (None, "stop", "function_call") and self.complete:
            finish = "tool_calls"
        return ChatResult(
            **fields,
            usage=self.usage,
            tokens_per_second=_speed(self._timings),
            model=self._model,
            finish_reason=finish,
            provider=self._provider,
            id=self._id,
            native_finish_reason=self._native_finish_reason,
            logprobs=tuple(self._logprobs),
            native=self.native() if self.native is not None and self.complete else None,
        )

    def _feed_piece(self, choices: list[WireChoice], delta: WireDelta) -> StreamChunk | None:
        """Take in a piece of a tool call's arguments, if that is all there is."""
        calls = delta.tool_calls or []
        if not delta.content and choices == [WireChoice(self._quick, WireDelta(delta.content, tool_calls=calls))]:
            return self._answer.tool_calls.feed_piece(calls)
        return None

    def _feed_choice(self, choice: WireChoice, out: list[StreamChunk]) -> object:
        """Take in one choice and return the error object that it carries, if any."""
        if choice.usage is not NO_USAGE:
            self._usage.feed(choice.usage)
        if (choice.index or 0) != self._choice:
            return None
        if choice.delta is not None:
            self._answer.feed(choice.delta, out, whole=False)
        elif choice.message is not None:
            self._answer.feed(choice.message, out, whole=True)
        if choice.text:  # of a gateway that answers in the shape of legacy completions
            self._answer.feed(WireDelta(choice.text), out, whole=False)
        if choice.logprobs is not None and choice.logprobs.content:
            self._logprobs += choice.logprobs.content
        if choice.native_finish_reason:
            self._native_finish_reason = choice.native_finish_reason
        if choice.finish_reason in _FAILED_UPSTREAM or choice.native_finish_reason in _FAILED_UPSTREAM:
            self._upstream_failed = True
        elif choice.finish_reason:
            self._answer.end(out)
            self._finish_reason = _FINISH_REASONS.get(choice.finish_reason, choice.finish_reason)
            self.awaits_end = self._usage.seen
        return choice.error

    def _problem(self, cut: str | None) -> AiError | None:
        if not self._fed:
            if cut is not None:
                return StreamInterruptedError(f"{cut} before the answer began", retryable=True)
            return InvalidResponseError("the response was empty", retryable=True)
        if self._done and self._choice is None:
            return InvalidResponseError("it has no choices", retryable=True)
        if not self.complete:
            return StreamInterruptedError(cut or "the stream ended without a finish reason", retryable=True)
        # A model may be silent on purpose, but not without a token.
        empty = self._finish_reason == "stop" and self._usage.seen and not self.usage.completion_tokens
        if not self.started and (self._finish_reason is None or empty):
            return InvalidResponseError("the answer has no content", retryable=True)
        if self._require_usage and not self._usage.seen:
            return InvalidResponseError("No usage metadata in response")
        return None


def _failed_base_resp(base_resp: object) -> object:
    """Return MiniMax's `base_resp` if it tells of a failure."""
    return base_resp if json_object(base_resp).get("status_code") not in (None, 0) else None


def _speed(timings: WireTimings | None) -> float | None:
    speed = timings.predicted_per_second if timings is not None else None
    return speed if speed is not None and 0 < speed < math.inf else None


def _arguments(call: ToolCall) -> object:
    """Return a call's arguments as an object, or as their text while they are not whole."""
    try:
        return parse_object(call.raw_arguments.encode())
    except MalformedJSONError:
        return call.raw_arguments
