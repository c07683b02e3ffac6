"""What a gateway offers besides chat: its models, what was spent, and embeddings."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from raptscallions_ai._guards.log import Log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Unpack

    from raptscallions_ai._call.defaults import CallDefaults
    from raptscallions_ai._call.document import JsonApi
    from raptscallions_ai.gateway_api.account import Credits, KeyInfo
    from raptscallions_ai.gateway_api.catalogue import Catalogue
    from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
    from raptscallions_ai.gateway_api.endpoints import ModelEndpoint, ProviderInfo
    from raptscallions_ai.gateway_api.generation import GenerationInfo
    from raptscallions_ai.gateway_api.models import ModelFilter, ModelInfo
    from raptscallions_ai.gateway_api.tokens import TokenEstimate
    from raptscallions_ai.messages.message import Messages
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["Discovery"]

_log = Log()
_MAX_AGE = 300.0


class Discovery:
    """The part of `OpenRouterClient` that is not chat.

    Other gateways than OpenRouter offer some of it; without an endpoint for it, a method raises `NotSupportedError`.
    """

    _defaults: CallDefaults
    _catalogue: Catalogue
    _aliases: Mapping[str, str]

    async def models(
        self,
        *,
        max_age: float = _MAX_AGE,
        extra_query: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **wanted: Unpack[ModelFilter],
    ) -> list[ModelInfo]:
        """Return the gateway's models, with prices and context lengths if it reports them.

        Args:
            max_age: Seconds for which a list that was fetched before will do; 0 for a new one.
            extra_query: Further query parameters for the gateway, such as `{"category": "programming"}`.
            extra_headers: Further headers; what each of a client's requests needs is better given to the client.
            **wanted: `ModelFilter`: `supports`, `max_prompt_price`, `min_context_length` and more.

        Raises:
            TypeError: A condition is unknown, or of a wrong type; raised before anything is sent, as is the next.
            ValueError: A condition is out of its range.
            AiError: The list could not be fetched.
        """
        from urllib.parse import urlencode

        from raptscallions_ai._dialects.request import checked_headers
        from raptscallions_ai.gateway_api.models import fetch_models, filter_models

        filter_models([], **wanted)  # checked before anything is sent
        checked_headers(extra_headers or {})
        query = dict(extra_query or {})
        if outputs := wanted.get("output_modalities"):
            query["output_modalities"] = ",".join(outputs)  # else OpenRouter lists only what answers with text

        async def fetch() -> list[ModelInfo]:
            _log.info("listing models")
            return await fetch_models(self._api(extra_headers=extra_headers), query)

        listed = await self._catalogue.models(fetch, query=urlencode(sorted(query.items())), max_age=max_age)
        return filter_models(listed, **wanted)

    async def model(self, model_id: str) -> ModelInfo:
        """Return one model; an alias and a variant such as `:free` will do where the gateway knows them.

        It is looked up in the list of `models` if that is at hand, or if the gateway has nothing but that.

        Args:
            model_id: Its id, or an alias of the client's for one.

        Raises:
            ValueError: It is not an id.
            ModelNotAvailableError: The gateway does not know the model.
            AiError: It could not be looked up.
        """
        from raptscallions_ai.errors import ModelNotAvailableError, NotSupportedError
        from raptscallions_ai.gateway_api.models import fetch_model, find_model
        from raptscallions_ai.options.routing import resolve_model_alias

        model_id = resolve_model_alias(model_id, self._aliases)
        if (found := find_model(self._catalogue.cached(max_age=_MAX_AGE) or [], model_id)) is not None:
            return found
        with contextlib.suppress(NotSupportedError):
            found = await fetch_model(self._api(), model_id)
        found = found or find_model(await self.models(), model_id)
        if found is None:
            raise ModelNotAvailableError(model_id)
        return found

    async def endpoints(self, model_id: str) -> list[ModelEndpoint]:
        """Return who serves a model: prices, limits, uptime and speed of each provider.

        Raises:
            ValueError: It is not an id.
            ModelNotAvailableError: The gateway does not know the model.
            NotSupportedError: The gateway does not offer this.
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.endpoints import fetch_endpoints
        from raptscallions_ai.options.routing import resolve_model_alias

        return await fetch_endpoints(self._api(), resolve_model_alias(model_id, self._aliases))

    async def providers(self) -> list[ProviderInfo]:
        """Return the providers that the gateway can use.

        Raises:
            NotSupportedError: The gateway does not offer this.
            AiError: The list could not be fetched.
        """
        from raptscallions_ai.gateway_api.endpoints import fetch_providers

        return await fetch_providers(self._api())

    async def key_info(self) -> KeyInfo:
        """Return what this client's key has spent, and what it may still spend.

        Raises:
            NotSupportedError: The gateway does not offer this.
            AiError: The server could not be reached.
        """
        from raptscallions_ai.gateway_api.account import fetch_key_info

        return await fetch_key_info(self._api())

    async def credits(self) -> Credits:
        """Return what the account has paid in and spent; OpenRouter requires a management key.

        Raises:
            PermissionDeniedError: This client's key is not a management key.
            NotSupportedError: The gateway does not offer this.
            AiError: The server could not be reached.
        """
        from raptscallions_ai.gateway_api.account import fetch_credits

        return await fetch_credits(self._api())

    async def generation(
        self, generation_id: str, *, patience: float = 15.0, extra_headers: Mapping[str, str] | None = None
    ) -> GenerationInfo:
        """Return what the gateway's books say of a generation: its real cost, also if its stream was cut or left.

        Args:
            generation_id: `ChatResult.id`, `AiError.request_id` or `Attempt.generation_id`.
            patience: Seconds to keep asking while the gateway does not know the id; its books need a moment.
            extra_headers: Further headers, such as those of the call.

        Raises:
            ValueError: A header cannot be sent.
            BadRequestError: The gateway does not know the id; `status_code` is 404.
            NotSupportedError: The gateway keeps no books.
            AiError: The look-up failed.
        """
        from raptscallions_ai._dialects.request import checked_headers
        from raptscallions_ai.gateway_api.generation import fetch_generation

        api = self._api(extra_headers=checked_headers(extra_headers or {}))
        return await fetch_generation(api, generation_id, patience=patience)

    async def embed(
        self, texts: str | Sequence[str], *, model: str, **options: Unpack[EmbedOptions]
    ) -> EmbeddingResult:
        """Return texts as vectors, one for each, in their order.

        Args:
            texts: One text, or several in one request.
            model: The model to ask, or an alias of one; a model that chats does not embed.
            **options: `EmbedOptions`: `dimensions`, `input_type`, `timeout`, `extra_body` and more.

        Raises:
            TypeError: An option is unknown, or a text is not a `str`; raised before anything is sent, as is the next.
            ValueError: There is no text, or an option is out of its range.
            NotSupportedError: The gateway does not embed.
            AiError: The call failed, or a vector is missing.
        """
        from raptscallions_ai.gateway_api.embeddings import build_embedding_request, fetch_embeddings
        from raptscallions_ai.options.routing import resolve_model_alias

        request = build_embedding_request(texts, model=resolve_model_alias(model, self._aliases), options=options)
        api = self._api(timeout=options.get("timeout"), max_retries=options.get("max_retries"))
        del texts, options  # a traceback with local variables must not show them
        return await fetch_embeddings(api, request, max_bytes=self._defaults.max_event_bytes)

    async def check_context(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> TokenEstimate:
        """Estimate a conversation's tokens, and raise if it clearly does not fit the model, before it is sent.

        A conversation that is near the limit passes: `estimate_tokens` can be off, and only the gateway knows.
        Nothing is checked if the gateway does not report the model's context length.

        Args:
            messages: The conversation.
            model: The model that it is for; else the client's default.
            max_tokens: The most tokens of the answer, which must fit, too.
            tools: The tools that go with it.

        Raises:
            ContextLengthError: It does not fit; `max_tokens` and `requested_tokens` have the figures.
            AiError: The model could not be looked up.
        """
        from raptscallions_ai.errors import ModelNotAvailableError
        from raptscallions_ai.gateway_api.tokens import check_fit, estimate_tokens

        estimate = estimate_tokens(messages, tools=tools)
        del messages  # a traceback with local variables must not show them
        try:
            context_length = (await self.model(model or self._defaults.model)).context_length
        except ModelNotAvailableError:
            context_length = None  # a preset, a router, or a name that the gateway takes without listing it
        check_fit(estimate, max_tokens=max_tokens, context_length=context_length)
        return estimate

    if TYPE_CHECKING:

        def _api(
            self,
            *,
            timeout: float | Timeouts | None = None,
            max_retries: int | None = None,
            extra_headers: Mapping[str, str] | None = None,
        ) -> JsonApi: ...
