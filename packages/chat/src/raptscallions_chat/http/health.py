"""What an operator asks: is it alive, does it take requests, what does it do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.dependencies import json_reply, responses, services

__all__ = ["router"]

router = APIRouter(tags=["operations"])


@router.get("/livez")
async def alive() -> Response:
    """Answer, if the process does."""
    return json_reply(200, {"status": "alive"})


@router.get("/readyz", responses=responses())
async def ready(request: Request) -> Response:
    """Answer with 200 while new runs are taken and the store answers."""
    runtime = services(request).runtime
    if runtime.draining:
        raise ChatError("draining", "The service is about to end.", retry_after=2.0)
    await runtime.store.ping()
    return json_reply(200, {"status": "ready", "live_runs": len(runtime.worker.live_runs)})


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}, "description": "Figures for Prometheus."}})
async def metrics(request: Request) -> Response:
    """Return figures for Prometheus."""
    return Response(generate_latest(services(request).runtime.metrics.registry), media_type=CONTENT_TYPE_LATEST)
