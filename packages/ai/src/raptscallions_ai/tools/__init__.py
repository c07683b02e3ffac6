"""Functions for a model, and the schemas that describe them to it."""
