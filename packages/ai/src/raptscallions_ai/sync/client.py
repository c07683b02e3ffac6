"""`SyncOpenRouterClient`: the client for code that is not asynchronous.

There is one implementation, the asynchronous one. It runs in its own thread (`loop_thread.py`); the methods here
hand it the work and wait. Each has the name, the arguments and the errors of its asynchronous counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.openrouter import OpenRouterClient
from raptscallions_ai.errors import AiError
from raptscallions_ai.sync.batching import SyncBatching
from raptscallions_ai.sync.loop_thread import CallerQueue, shared_loop_thread
from raptscallions_ai.sync.stream import SyncChatStream

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from types import TracebackType
    from typing import Unpack

    from openai import AsyncOpenAI

    from raptscallions_ai._transport.keys import KeyFunction
    from raptscallions_ai.answer.result import ChatResult, ParsedResult
    from raptscallions_ai.gateway_api.account import Credits, KeyInfo
    from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
    from raptscallions_ai.gateway_api.endpoints import ModelEndpoint, ProviderInfo
    from raptscallions_ai.gateway_api.generation import GenerationInfo
    from raptscallions_ai.gateway_api.models import ModelFilter, ModelInfo
    from raptscallions_ai.gateway_api.tokens import TokenEstimate
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.call_options import CallOptions, OnInterrupt
    from raptscallions_ai.options.client_options import ClientOptions
    from raptscallions_ai.options.timeouts import Timeouts
    from raptscallions_ai.settings import AiSettings
    from raptscallions_ai.sync.parsed_stream import SyncParsedStream
    from raptscallions_ai.sync.tool_run import SyncToolRun
    from raptscallions_ai.tool_runs.execution import Approve
    from raptscallions_ai.tool_runs.run import StopCondition

__all__ = ["SyncChatClient", "SyncEngineClient", "SyncOpenRouterClient"]

C = TypeVar("C", bound=BaseChatClient)
E = TypeVar("E", bound=EngineClient)
T = TypeVar("T")


class SyncChatClient(Generic[C]):
    """Any chat client, a wrapper or a `ScriptedClient`, for code that is not asynchronous.

    It can be used by many threads at once, inside a running event loop such as a notebook's, and after a fork. Close it
    with `with` or `close`, which closes the client that it was given.

    Args:
        client: The client that does the work.
    """

    def __init__(self, client: C) -> None:
        self._client = client

    def resolve_model(self, model: str | None = None) -> str | None:
        """Return the model that a call is for; see `OpenRouterClient.resolve_model`."""
        return self._client.resolve_model(model)

    @property
    def base_url(self) -> str | None:
        """The base URL of the gateway; None if the client has none."""
        return self._client.base_url

    @property
    def provider_name(self) -> str | None:
        """Who is asked, in the words of OpenTelemetry's conventions; None if the client cannot tell."""
        return self._client.provider_name

    @property
    def default_options(self) -> CallOptions:
        """The options of every call."""
        return self._client.default_options

    def stream_chat(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> SyncChatStream:
        """Return the answer as a stream of chunks, the last of which is `done`; see `OpenRouterClient.stream_chat`."""
        return SyncChatStream(self._client.stream_chat(messages, model=model, **options), shared_loop_thread())

    def chat(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> ChatResult:
        """Return the whole answer; see `OpenRouterClient.chat`."""
        work = self._client.chat(messages, model=model, **options)
        del messages, options  # a traceback with local variables must not show the conversation
        return self._run(work)

    def parse(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        model: str | None = None,
        strict: bool = True,
        repair: bool = False,
        **options: Unpack[CallOptions],
    ) -> ParsedResult[T]:
        """Return the answer as an object of the given type; see `OpenRouterClient.parse`."""
        work = self._client.parse(messages, response_model, model=model, strict=strict, repair=repair, **options)
        del messages, options  # a traceback with local variables must not show the conversation
        return self._run(work)

    def stream_parse(
        self,
        messages: Messages,
        response_model: type[T],
        *,
        model: str | None = None,
        strict: bool = True,
        **options: Unpack[CallOptions],
    ) -> SyncParsedStream[T]:
        """Return the answer as an object that grows while it is yielded; see `OpenRouterClient.stream_parse`."""
        from raptscallions_ai.sync.parsed_stream import SyncParsedStream

        parsed = self._client.stream_parse(messages, response_model, model=model, strict=strict, **options)
        return SyncParsedStream(parsed, shared_loop_thread())

    def run_tools(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        max_steps: int = 10,
        stop_when: StopCondition | Sequence[StopCondition] = (),
        approve: Approve | None = None,
        tool_timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> SyncToolRun:
        """Let the model call tools until it has its answer; see `OpenRouterClient.run_tools`."""
        from raptscallions_ai.sync.tool_run import SyncToolRun, in_callers_thread

        queue = CallerQueue()
        conditions = [stop_when] if callable(stop_when) else list(stop_when)
        run = self._client.run_tools(
            messages,
            model=model,
            max_steps=max_steps,
            stop_when=[in_callers_thread(condition, queue) for condition in conditions],
            approve=in_callers_thread(approve, queue),
            tool_timeout=tool_timeout,
            **options,
        )
        return SyncToolRun(run, shared_loop_thread(), queue)

    def chat_stream(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> Iterator[str]:
        """Return the text of the answer as it arrives; see `OpenRouterClient.chat_stream`."""
        return self.stream_chat(messages, model=model, **options).text_stream

    def run(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> ChatResult:
        """The same as `chat`, under the name that agent libraries use."""
        return self.chat(messages, model=model, **options)

    def close(self) -> None:
        """End all calls and close all connections; the client cannot be used afterwards. Safe to call again."""
        self._run(self._client.aclose())

    @staticmethod
    def _async_clients(clients: Sequence[SyncChatClient[Any]]) -> list[EngineClient]:
        """Return the clients that do the work of others.

        Raises:
            TypeError: One is no synchronous client of an engine.
        """
        found: list[EngineClient] = []
        for client in clients:
            inner: object = vars(client).get("_client") if hasattr(client, "__dict__") else None
            if not isinstance(inner, EngineClient):
                raise TypeError(f"fallback_clients must be synchronous clients of engines, not {type(client).__name__}")
            found.append(inner)
        return found

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            thread = shared_loop_thread()
        except AiError:
            work.close()
            raise
        return thread.run(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds connections and the key; pickle its settings")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self).get('_client', 'not built')!r})"


class SyncEngineClient(SyncChatClient[E]):
    """The base class of the synchronous clients of all engines."""

    def with_options(self, *, model: str | None = None, **options: Unpack[CallOptions]) -> Self:
        """Return a view of this client with other defaults; see `OpenRouterClient.with_options`."""
        view = object.__new__(type(self))
        view._client = self._client.with_options(model=model, **options)
        return view

    def warm_up(self) -> None:
        """Load what a call needs ahead of the first one; see `OpenRouterClient.warm_up`."""
        self._run(self._client.warm_up())

    def models(self) -> list[ModelInfo]:
        """Return the models that are offered; see the method of the asynchronous client."""
        return self._run(self._client.models())

    def list_models(self) -> list[str]:
        """Return the ids of the models that are offered."""
        return self._run(self._client.list_models())

    def count_tokens(self, messages: Messages, *, model: str | None = None, **options: Unpack[CallOptions]) -> int:
        """Return how many tokens a request would have; see the method of the asynchronous client."""
        work = self._client.count_tokens(messages, model=model, **options)
        del messages, options  # a traceback with local variables must not show the conversation
        return self._run(work)


class SyncOpenRouterClient(SyncEngineClient[OpenRouterClient], SyncBatching):
    """A client of one gateway for code that is not asynchronous; `OpenRouterClient` has the same methods with `await`.

    It can be used by many threads at once, inside a running event loop such as a notebook's, and after a fork. What is
    not given comes from the environment, as for `OpenRouterClient`, which describes the arguments. Close it with `with`
    or `close`.

    Args:
        api_key: The gateway's key, or a function that returns it; else `AI_API_KEY` or `OPENROUTER_API_KEY`.
        base_url: The gateway's base URL; else `AI_GATEWAY_URL`.
        default_model: The default model; else `AI_DEFAULT_MODEL`.
        timeout: Seconds until the first content and between each next, or `Timeouts`.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those.
        fallback_cooldown: Seconds for which a model that keeps failing is left alone.
        model_aliases: Short names of models and the ids they stand for.
        headers: Headers to send with every request.
        settings: Settings to use instead of the environment's.
        openai_client: An `openai.AsyncOpenAI` of your own.
        **options: `ClientOptions` and `NetworkOptions`.

    Raises:
        ConfigurationError: Something is missing or invalid; the message names all of it.
        TypeError: `fallback_models` or `fallback_clients` is not a sequence of such.
        ValueError: `timeout` or `fallback_cooldown` is not positive, or `on_interrupt` is unknown.
    """

    def __init__(
        self,
        api_key: str | KeyFunction | None = None,
        base_url: str | None = None,
        default_model: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        *,
        on_interrupt: OnInterrupt | None = None,
        fallback_models: Sequence[str] | None = None,
        fallback_cooldown: float | None = None,
        fallback_clients: Sequence[SyncChatClient[Any]] = (),
        model_aliases: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        settings: AiSettings | None = None,
        openai_client: AsyncOpenAI | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        given: dict[str, Any] = {"api_key": api_key}
        del api_key  # a traceback with local variables must not show it if the next line raises
        super().__init__(
            OpenRouterClient(
                given.pop("api_key"),
                base_url,
                default_model,
                timeout,
                max_retries,
                on_interrupt=on_interrupt,
                fallback_models=fallback_models,
                fallback_clients=self._async_clients(fallback_clients),
                fallback_cooldown=fallback_cooldown,
                model_aliases=model_aliases,
                headers=headers,
                settings=settings,
                openai_client=openai_client,
                **options,
            )
        )

    @property
    def _batching(self) -> OpenRouterClient:
        return self._client

    def models(
        self,
        *,
        max_age: float = 300.0,
        extra_query: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **wanted: Unpack[ModelFilter],
    ) -> list[ModelInfo]:
        """Return the gateway's models; see `OpenRouterClient.models`."""
        found = self._client.models(max_age=max_age, extra_query=extra_query, extra_headers=extra_headers, **wanted)
        return self._run(found)

    def model(self, model_id: str) -> ModelInfo:
        """Return one model; see `OpenRouterClient.model`."""
        return self._run(self._client.model(model_id))

    def endpoints(self, model_id: str) -> list[ModelEndpoint]:
        """Return who serves a model; see `OpenRouterClient.endpoints`."""
        return self._run(self._client.endpoints(model_id))

    def providers(self) -> list[ProviderInfo]:
        """Return the providers that the gateway can use; see `OpenRouterClient.providers`."""
        return self._run(self._client.providers())

    def key_info(self) -> KeyInfo:
        """Return what this client's key has spent and may spend; see `OpenRouterClient.key_info`."""
        return self._run(self._client.key_info())

    def credits(self) -> Credits:
        """Return what the account has paid in and spent; see `OpenRouterClient.credits`."""
        return self._run(self._client.credits())

    def generation(
        self, generation_id: str, *, patience: float = 15.0, extra_headers: Mapping[str, str] | None = None
    ) -> GenerationInfo:
        """Return what the gateway's books say of a generation; see `OpenRouterClient.generation`."""
        return self._run(self._client.generation(generation_id, patience=patience, extra_headers=extra_headers))

    def embed(self, texts: str | Sequence[str], *, model: str, **options: Unpack[EmbedOptions]) -> EmbeddingResult:
        """Return texts as vectors, one for each, in their order; see `OpenRouterClient.embed`."""
        work = self._client.embed(texts, model=model, **options)
        del texts, options  # a traceback with local variables must not show them
        return self._run(work)

    def check_context(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> TokenEstimate:
        """Raise if a conversation clearly does not fit the model; see `OpenRouterClient.check_context`."""
        work = self._client.check_context(messages, model=model, max_tokens=max_tokens, tools=tools)
        del messages  # a traceback with local variables must not show the conversation
        return self._run(work)
