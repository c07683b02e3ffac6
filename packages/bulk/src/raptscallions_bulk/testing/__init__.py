"""Test kit: a simulator of gateways for the pace, and a gateway with books."""
