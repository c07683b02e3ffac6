"""Fake servers of other engines: the same scripts as the fake gateway's, said in another dialect."""
