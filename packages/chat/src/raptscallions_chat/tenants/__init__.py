"""Tenants as a tree, who belongs to them, and what they did."""
