"""Runs: from a message that was sent to an answer that is stored, whatever happens on the way."""
