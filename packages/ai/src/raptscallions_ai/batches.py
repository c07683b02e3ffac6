"""Many requests handed over at once and answered within a day, at about half the price."""

from __future__ import annotations

from raptscallions_ai.client.batching import BatchAnswer, Batching, BatchRequest
from raptscallions_ai.gateway_api.batches import Batch

__all__ = ["Batch", "BatchAnswer", "BatchRequest", "Batching"]
