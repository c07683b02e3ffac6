"""Answers that are objects: their schema, their validation, and the object while it arrives."""
