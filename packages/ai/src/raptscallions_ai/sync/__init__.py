"""The client for code that is not asynchronous: one loop thread runs the one implementation."""
