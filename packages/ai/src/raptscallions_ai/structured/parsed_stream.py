"""`ParsedStream`: an object while it arrives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from raptscallions_ai.answer.chunks import ContentChunk, DoneChunk, RestartedChunk
from raptscallions_ai.errors import AiError
from raptscallions_ai.structured.call import read_answer
from raptscallions_ai.structured.embedded import begun_object
from raptscallions_ai.structured.output_format import VALUE
from raptscallions_ai.structured.partial_json import parse_streaming_json
from raptscallions_ai.structured.partial_object import MISSING, partial_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, ParsedResult
    from raptscallions_ai.answer.stream import ChatStream, StreamIterator
    from raptscallions_ai.structured.output_format import OutputFormat

__all__ = ["ParsedStream"]

T = TypeVar("T")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class ParsedStream(Generic[T]):
    """An object while it arrives: an async iterator of it in growing parts, and an async context manager.

    The last one is the validated object, the same as `(await stream.result()).parsed`. In those before it, what has
    arrived in full is validated, and what is still arriving is made without running validators. A field that is not
    there yet has its default; else a text, list or mapping is empty, and anything else is None, whatever its type says.
    A text may be unfinished; a number is there when it is whole. Each is an object of its own. Where more than thinking
    and a code fence stands before the object, it may be a draft, and only the last one comes.

    A new one is made when the text has grown by a hundredth and has brought something. So what all of them cost
    together grows with the length of the answer, and not with its square. With `on_interrupt="restart"` the object may
    start again.

    As with `ChatStream`, leaving the loop closes the connection.

    Args:
        stream: The answer.
        output: What it must look like.

    Attributes:
        stream: The same.
    """

    def __init__(self, stream: ChatStream, output: OutputFormat[T]) -> None:
        self.stream = stream
        self._output = output
        self._answer: ParsedResult[T] | AiError | None = None

    @property
    def partial(self) -> ChatResult:
        """What has arrived so far, as it was received."""
        return self.stream.partial

    async def result(self) -> ParsedResult[T]:
        """Read the rest of the answer and return the whole.

        Raises:
            RefusalError: The model declined to answer.
            TruncatedOutputError: The answer ended at its token limit.
            InvalidOutputError: It does not fit the model.
            AiError: The call failed.
        """
        return self._answer_of(await self.stream.result())

    async def aclose(self) -> None:
        """Stop: close the connection; an iteration in another task ends. Safe to call at any time, and again."""
        await self.stream.aclose()

    async def __aenter__(self) -> Self:
        await self.stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> ParsedStreamIterator[T]:
        return ParsedStreamIterator(aiter(self.stream), self._output, self._answer_of)

    def _answer_of(self, result: ChatResult) -> ParsedResult[T]:
        if self._answer is None:
            self._answer = read_answer(result, self._output)
        if isinstance(self._answer, AiError):
            raise self._answer
        return self._answer

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")

    def __repr__(self) -> str:
        return f"ParsedStream({self._output.name}, {self.stream!r})"


class ParsedStreamIterator(Generic[T]):
    """What an `async for` over a `ParsedStream` holds: when the loop lets go of it, the stream is closed."""

    def __init__(
        self,
        chunks: StreamIterator[StreamChunk],
        output: OutputFormat[T],
        answer_of: Callable[[ChatResult], ParsedResult[T]],
    ) -> None:
        self._chunks = chunks
        self._output = output
        self._growing = GrowingObject(output)
        self._answer_of = answer_of

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            chunk = await anext(self._chunks)
            if isinstance(chunk, ContentChunk):
                if (made := self._growing.add(chunk.content)) is not MISSING:
                    return made
            elif isinstance(chunk, RestartedChunk):
                self._growing = GrowingObject(self._output)
            elif isinstance(chunk, DoneChunk):
                return self._answer_of(chunk.result).parsed


class GrowingObject(Generic[T]):
    """Makes objects of a text that grows.

    Args:
        output: What the object must look like.
    """

    def __init__(self, output: OutputFormat[T]) -> None:
        self._output = output
        self._pieces: list[str] = []
        self._length = 0
        self._due = 1
        self._seen: object = {}

    def add(self, text: str) -> Any:
        """Take in the next piece and return the object so far; `MISSING` if it is not the time, or nothing is new."""
        self._pieces.append(text)
        self._length += len(text)
        if self._length < self._due:
            return MISSING
        self._due = self._length + max(1, self._length // 100)
        self._pieces = ["".join(self._pieces)]
        text = self._pieces[0]
        start = begun_object(text)
        if start is None or self._output.is_too_deep(text := text[start:]):
            return MISSING  # the whole answer says why
        value = _growing_value(text)
        if value is MISSING or value == self._seen:
            return MISSING
        self._seen = value
        if self._output.is_wrapped:
            value = value.get(VALUE, MISSING)
        return MISSING if value is MISSING else partial_object(self._output.response_model, value)


def _growing_value(text: str) -> Any:
    """Return the JSON object that a text begins with, without a number at its end that may go on."""
    end = len(text.rstrip("0123456789.eE+-"))
    if not any(character.isdigit() for character in text[end:]) or '"' in _STRING.sub("", text):
        end = len(text)  # there are no digits, or they are letters of a string that is not at its end
    value = parse_streaming_json(text[:end])
    return MISSING if value is None else value
