"""Runs on many machines: one journal, and workers that ask it before they send a row; no Ray in here."""
