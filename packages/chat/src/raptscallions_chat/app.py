"""The composition root: settings in, an application out."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from raptscallions_ai import ConfigurationError
from raptscallions_chat.auth.chain import auth_from
from raptscallions_chat.auth.origins import HostRule
from raptscallions_chat.contexts import Contexts
from raptscallions_chat.credentials.clients import TenantClients
from raptscallions_chat.credentials.envelope import KeyRing
from raptscallions_chat.credentials.vault import CredentialVault
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.features import make_features, make_shared
from raptscallions_chat.http.api import make_api
from raptscallions_chat.http.dependencies import Services
from raptscallions_chat.http.hosts import HostCheck
from raptscallions_chat.limits.admission import Limits
from raptscallions_chat.log.memory import MemoryLog, MemorySignals
from raptscallions_chat.prompting import ConversationPrompts
from raptscallions_chat.run_news import RunNews
from raptscallions_chat.runs.metrics import RunMetrics
from raptscallions_chat.runs.moderation import Moderation
from raptscallions_chat.runs.options import RunOptions
from raptscallions_chat.runs.runtime import Runtime
from raptscallions_chat.runs.tool_steps import ToolSteps
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.store.approvals import ApprovalStore
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.file_owner import own_file
from raptscallions_chat.store.migrate import check, upgrade
from raptscallions_chat.store.sql_store import SqlStore
from raptscallions_chat.tenants.directory import TenantDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from typing import Any

    from fastapi import FastAPI

    from raptscallions_ai import ChatClient, Tool
    from raptscallions_chat.protocols import Admission, Auth, Clients, Files, RunLog, Signals
    from raptscallions_chat.tenants.tools import Tools

__all__ = ["create_app", "run_options"]

_log = logging.getLogger("raptscallions_chat")


def run_options(settings: ChatSettings) -> RunOptions:
    """Return the figures of the runtime that the settings say."""
    return RunOptions(
        role=settings.role,
        max_runs=settings.max_runs,
        max_queued=settings.queue_depth,
        queue_wait=settings.queue_s,
        flush=settings.flush_ms / 1000,
        lease=settings.lease_s,
        drain=settings.drain_s,
        log_ttl=settings.log_ttl_s,
        on_busy=settings.on_busy,
        on_crash=settings.on_crash,
        log_content=settings.log_content,
        single_process=settings.database_url.startswith("sqlite"),
    )


def create_app(
    settings: ChatSettings | None = None,
    *,
    client: ChatClient | None = None,
    clients: Clients | None = None,
    auth: Auth | None = None,
    admission: Admission | None = None,
    migrate: bool | None = None,
    functions: Sequence[Tool[..., Any]] = (),
    files: Files | None = None,
) -> FastAPI:
    """Return the chat service as an ASGI application.

    Args:
        settings: What it stands on and how it works; the environment's `CHAT_*` if they are not given.
        client: Who answers: any `ChatClient`. It stays yours to close.
        clients: Who answers for which tenant, instead of `client`.
        auth: Who a request is from, instead of what `CHAT_AUTH` names.
        admission: Limits of sends, instead of those of the settings.
        functions: Functions that models may call while they answer, made with `@tool`; one that needs approval waits
            for its user. A conversation with a tool has those that the tool names.
        files: Where attachments are, instead of `CHAT_STORAGE_URL`.
        migrate: Whether tables are brought up to date at the start; by default on SQLite only.
    """
    chosen = settings or ChatSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            database = Database(chosen.database_url, pool_size=chosen.pool_size)
            stack.push_async_callback(database.aclose)
            if database.is_sqlite:
                await own_file(stack, database)
            if database.is_sqlite if migrate is None else migrate:
                await upgrade(database)
            await check(database)
            tenants = TenantDirectory(database)
            metrics = RunMetrics()
            log, signals = await _log_and_signals(stack, chosen, metrics)
            vault = _vault(chosen, database)
            shared = make_shared(chosen, database, tenants, vault, files)
            answering = clients or TenantClients(vault, tenants, own=client, allow_own=chosen.allow_shared_key)
            if chosen.tools_dir is not None:
                await _load_tools(shared.tools, chosen.tools_dir)
            contexts = Contexts(database, answering, tokens=chosen.context_tokens, summary_model=chosen.summary_model)
            store = SqlStore(database)
            runtime = Runtime(
                store=store,
                log=log,
                signals=signals,
                clients=answering,
                options=run_options(chosen),
                prompts=ConversationPrompts(store, shared.conversation_tools, shared.attachments, contexts),
                moderation=None if chosen.moderation_model is None else Moderation(answering, chosen.moderation_model),
                metrics=metrics,
                tool_steps=ToolSteps(
                    {each.name: each for each in functions},
                    ApprovalStore(database),
                    shared.conversation_tools.functions,
                ),
            )
            around = make_features(chosen, shared, runtime, answering)
            app.state.services = Services(
                runtime=runtime,
                auth=auth or auth_from(chosen, database, tenants, around.sessions),
                admission=admission or Limits(tenants, chosen, around.budgets),
                max_message_bytes=chosen.max_message_bytes,
                streams_per_user=chosen.streams_per_user,
                tools=around.find_tool,
                features=around,
            )
            news = RunNews(database, answering, around.events, chosen.title_model, contexts)
            runtime.watch(news.on_begin, news.on_end)
            await runtime.start()
            if chosen.role != "web":
                around.retention.start()
            try:
                yield
            finally:
                await around.retention.aclose()
                await news.aclose()
                await runtime.aclose()

    app = make_api(lifespan)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(chosen.cors_origins),
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Run-Id", "Idempotency-Replayed"],
        )
    app.add_middleware(HostCheck, HostRule(chosen.allowed_hosts, loopback=chosen.is_loopback and auth is None))
    return app


async def _log_and_signals(
    stack: AsyncExitStack, settings: ChatSettings, metrics: RunMetrics
) -> tuple[RunLog, Signals]:
    if settings.redis_url is None:
        return MemoryLog(), MemorySignals()
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    from raptscallions_chat.log.redis_log import RedisLog
    from raptscallions_chat.log.redis_signals import RedisSignals

    # What fails is tried again by whoever knows whether that still makes sense. A blocking read takes 5 seconds.
    redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
        settings.redis_url,
        socket_timeout=10.0,
        socket_connect_timeout=2.0,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )
    stack.push_async_callback(redis.aclose)
    return RedisLog(redis, ttl=settings.log_ttl_s, failed=metrics.log_failures.inc), RedisSignals(redis, new_id())


async def _load_tools(tools: Tools, folder: str) -> None:
    try:
        count = await tools.load(Path(folder))
    except (OSError, ChatError) as error:
        told = error.strerror if isinstance(error, OSError) else error.message
        raise ConfigurationError(f"CHAT_TOOLS_DIR: {told}") from None
    _log.info("%d tools are in the folder of CHAT_TOOLS_DIR", count)


def _vault(settings: ChatSettings, database: Database) -> CredentialVault:
    ring = None if settings.keys is None else KeyRing.parse(settings.keys.get_secret_value())
    return CredentialVault(database, ring)
