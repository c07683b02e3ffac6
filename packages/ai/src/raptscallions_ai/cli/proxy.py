"""`proxy`: a server for callers who have no key of the gateway."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai.cli.session import open_client
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from raptscallions_ai.cli.run import Run

__all__ = ["new_token", "serve"]

_GRACE = 10  # seconds that answers have to end when the server is told to stop
_BACKLOG = 2048


def new_token(run: Run, name: str) -> None:
    """Write a new token for a caller, and what the proxy has to be told of it."""
    from raptscallions_ai.proxy.callers import token_hash

    token = f"rap_{secrets.token_urlsafe(32)}"
    run.console.line(token)
    run.console.note(f"This is the token of {name}; it is shown only now. For the proxy, AI_PROXY_CALLERS has to have")
    run.console.note(f"  {name}={token_hash(token)}")


def serve(run: Run, *, engine: str | None, host: str | None, port: int | None) -> None:
    """Serve until a signal ends it.

    Args:
        run: The run that it is for.
        engine: The engine or host to ask, by its name; else the one that the environment chooses.
        host: The address to listen on; else `AI_PROXY_HOST`.
        port: The port to listen on; else `AI_PROXY_PORT`.

    Raises:
        ConfigurationError: A setting is missing or invalid, an extra is missing, or the address cannot be listened on.
        UsageError: There is no engine and no host of that name.
    """
    try:
        require_extra("proxy", "starlette", "uvicorn", "pyrate_limiter", "aiologic")
    except ImportError as error:
        raise ConfigurationError(str(error)) from None
    import uvicorn

    from raptscallions_ai.proxy.app import proxy_app
    from raptscallions_ai.proxy.audit_file import AuditFile
    from raptscallions_ai.proxy.callers import bearer_tokens
    from raptscallions_ai.proxy.settings import ProxySettings
    from raptscallions_ai.wrappers.budget import Budget

    settings = ProxySettings.from_environment(host=host, port=port)
    callers = settings.all_callers()
    total = settings.total_cost_per_day
    audit = None if settings.audit_file is None else AuditFile(settings.audit_file)
    app = proxy_app(
        open_client(run, engine),
        authenticate=bearer_tokens(callers),
        models=settings.models,
        budget=None if total is None else Budget(cost=total, window=86_400),
        audit=audit,
        max_body=settings.max_body_bytes,
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    with _listener(settings.host, settings.port) as listener:
        address, number = listener.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        run.console.note(f"The proxy listens on http://{shown}:{number} for {len(callers)} callers; Ctrl-C ends it.")
        try:
            uvicorn.Server(config).run([listener])
        finally:
            if audit is not None:
                audit.close()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from None
