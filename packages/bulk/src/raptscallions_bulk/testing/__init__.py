"""Test kit: a gateway that keeps books, and a simulator of gateways' limits."""

from __future__ import annotations

from raptscallions_bulk.testing.batches import BatchGateway
from raptscallions_bulk.testing.billing import BillingGateway
from raptscallions_bulk.testing.simulator import SCENES, Outcome, Scene, simulate

__all__ = ["SCENES", "BatchGateway", "BillingGateway", "Outcome", "Scene", "simulate"]
