"""`Batching`: what clients have whose hosts take batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import parse_json

if TYPE_CHECKING:
    from raptscallions_ai._dialects.dialect import ModelFacts
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.errors import AiError
    from raptscallions_ai.gateway_api.batches import Batch, BatchLine, BatchShape, Outcome
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions

__all__ = ["BatchAnswer", "BatchRequest", "Batching"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a batch.

    Attributes:
        custom_id: What tells it from the others of the batch: 64 letters, digits, hyphens and underscores at most.
        messages: One user message as a `str`, or a conversation.
        options: `CallOptions`; those that are about a connection do nothing.
    """

    custom_id: str
    messages: Messages = field(repr=False)
    options: CallOptions = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of one request of a batch.

    It has a `result` or an `error`; neither if it was not asked before the batch expired or was cancelled.

    Attributes:
        custom_id: Whose it is.
        result: The answer; a `ParsedResult`, if objects were asked for.
        error: What it failed with.
    """

    custom_id: str
    result: ChatResult | None = None
    error: AiError | None = None


class Batching(ABC):
    """The part of a client that hands over batches.

    Requests of a batch are answered within a day, at about half the price; their answers are fetched when it is over.
    """

    async def submit_batch(
        self,
        requests: Sequence[BatchRequest],
        *,
        model: str | None = None,
        response_model: Any = None,
        label: str = "",
    ) -> Batch:
        """Hand a batch over, and return it as it is then.

        It is not sent twice: if the connection fails, `batches` tells whether it was taken.

        Args:
            requests: The requests, as many as `batch_limits` allows.
            model: The model of all of them; else the client's default. At OpenRouter its variant `:batch` is meant.
            response_model: The type of the answers, as `parse` has it; None for texts.
            label: What finds the batch again at hosts that keep labels.

        Raises:
            TypeError: An option or a message is of a wrong type.
            ValueError: An option is out of its range, or there are no requests.
            AiError: The batch was not taken; if it is a `ConnectionError` or a `TimeoutError`, it may have been.
        """
        if not requests:
            raise ValueError("a batch needs at least one request")
        name = self.batch_model(model)
        lines = [self._line(request, name, response_model) for request in requests]
        return await self._batch_shape().submit(lines, model=name, label=label)

    async def batch(self, batch_id: str) -> Batch | None:
        """Return how a batch is; None if the host knows none of that id.

        Raises:
            AiError: It could not be told.
        """
        return await self._batch_shape().get(batch_id)

    async def batches(self) -> list[Batch]:
        """Return the batches of this key, the newest first.

        Raises:
            AiError: They could not be listed.
        """
        return await self._batch_shape().list()

    async def batch_answers(self, batch: Batch, *, response_model: Any = None) -> AsyncIterator[BatchAnswer]:
        """Yield what became of the requests of a batch that is over, in any order.

        Those that were not asked before the batch expired or was cancelled are not paid.

        Args:
            batch: The batch, as `batch` returns it.
            response_model: The type of the answers, as `submit_batch` was given it.

        Raises:
            AiError: The answers could not be fetched.
        """
        async for outcome in self._batch_shape().outcomes(batch):
            yield self._answer(outcome, response_model)

    @property
    def batch_limits(self) -> tuple[int, int]:
        """The most requests, and the most bytes, of a batch."""
        shape = self._batch_shape()
        return shape.most_requests, shape.most_bytes

    def batch_model(self, model: str | None = None) -> str:
        """Return the name by which a model is asked in batches."""
        return self.resolve_model(model)

    @abstractmethod
    def resolve_model(self, model: str | None = None) -> str:
        """Return the id of the model that a call is for."""
        ...

    @abstractmethod
    def _batch_shape(self) -> BatchShape: ...

    @abstractmethod
    def _open_gateway(self) -> Gateway: ...

    @abstractmethod
    def _facts(self, model: str) -> ModelFacts: ...

    def _line(self, request: BatchRequest, model: str, response_model: Any) -> BatchLine:
        from raptscallions_ai._dialects.request import build_request
        from raptscallions_ai.gateway_api.batches import BatchLine

        options: CallOptions = {**request.options, "stream": False}
        if response_model is not None:
            from raptscallions_ai.structured.output_format import output_format

            options["response_format"] = output_format(response_model, strict=True).response_format
        built = build_request(request.messages, model=model, options=options)
        return BatchLine(request.custom_id, self._open_gateway().dialect.encode(built, self._facts(model)).body)

    def _answer(self, outcome: Outcome, response_model: Any) -> BatchAnswer:
        from raptscallions_ai._dialects.failures import classify
        from raptscallions_ai._dialects.redact import Redactor
        from raptscallions_ai.errors import AiError

        gateway = self._open_gateway()
        redact = Redactor([gateway.secret], [])
        if outcome.status == 0:
            return BatchAnswer(outcome.custom_id)
        if not 200 <= outcome.status < 300:
            failure = gateway.dialect.failure(parse_json(outcome.body), outcome.status, {})
            error = classify(failure, model="", redact=redact, url_name=gateway.url_name)
            return BatchAnswer(outcome.custom_id, error=error)
        try:
            result = _read_document(outcome.body, gateway, redact)
            if response_model is not None:
                from raptscallions_ai.structured.call import read_answer
                from raptscallions_ai.structured.output_format import output_format

                read = read_answer(result, output_format(response_model, strict=True))
                if isinstance(read, AiError):
                    return BatchAnswer(outcome.custom_id, error=read)
                result = read
        except AiError as error:
            return BatchAnswer(outcome.custom_id, error=error.without_traceback())
        return BatchAnswer(outcome.custom_id, result)


def _read_document(body: bytes, gateway: Gateway, redact: Any) -> ChatResult:
    """Return the answer that a JSON document is.

    Raises:
        AiError: It is none, or tells of a failure.
    """
    from raptscallions_ai._dialects.decoder import AnswerDecoder
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai.errors import InvalidResponseError

    fold = Fold(model="", require_usage=False, redact=redact, url_name=gateway.url_name)
    reader = gateway.dialect.reader(fold)
    decoder = AnswerDecoder(
        fold, reader, max_bytes=len(body) + 1, framing=gateway.dialect.framing, url_name=gateway.url_name
    )
    decoder.feed(body)
    _, result = decoder.close()
    if result is None:
        error = fold.failure or InvalidResponseError("it holds no answer")
        fold.describe(error)
        raise error
    return result
