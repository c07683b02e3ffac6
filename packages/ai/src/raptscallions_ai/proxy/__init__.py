"""A proxy that keeps the keys: callers have tokens of yours, and never see the gateway's key.

::

    from raptscallions_ai import Caller, OpenRouterClient, proxy_app

    CALLERS = {token_hash("a-token-of-alices"): Caller("alice", budget=Budget(cost="2.00", window=86_400))}
    app = proxy_app(OpenRouterClient(), authenticate=bearer_tokens(CALLERS), models=["openai/gpt-4o-mini"])

`proxy_app` and `Caller` stand in `raptscallions_ai` itself. `proxy_app` needs Starlette (`pip install
'raptscallions-ai[proxy]'`), which is loaded when it is first used.
"""

from __future__ import annotations

from raptscallions_ai._guards.imports import lazy_names
from raptscallions_ai.proxy.access import SAFE_OPTIONS
from raptscallions_ai.proxy.audit import AuditRecord
from raptscallions_ai.proxy.callers import Authenticate, bearer_tokens, token_hash
from raptscallions_ai.proxy.replays import Replay

__all__ = [
    "SAFE_OPTIONS",
    "AuditRecord",
    "Authenticate",
    "Replay",
    "bearer_tokens",
    "token_hash",
]

# `raptscallions_ai` finds it here, with a word on the extra where that is missing.
__getattr__ = lazy_names(__name__, {"app": ("proxy_app",)}, extra="proxy")
