"""Attachments: their bytes by content hash, their rows, and what a model gets of them."""
