"""What models cost: prices, estimates of tokens and of costs."""

from __future__ import annotations

from raptscallions_ai.answer.result import CostSource
from raptscallions_ai.gateway_api.costs import Prices, estimate_cost
from raptscallions_ai.gateway_api.pricing import Pricing, PricingOverride
from raptscallions_ai.gateway_api.tokens import TokenCounter, TokenEstimate, estimate_tokens

__all__ = [
    "Prices",
    "Pricing",
    "PricingOverride",
    "CostSource",
    "estimate_cost",
    "TokenCounter",
    "TokenEstimate",
    "estimate_tokens",
]
