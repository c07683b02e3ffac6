"""Answers and tools in turn: the run, the execution of calls, its events, and conditions that end it."""
