"""Fake servers of other engines: the same scripts as the fake gateway's, in another dialect."""
