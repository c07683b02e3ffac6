"""Sockets and what sends over them: the SDK, connections, responses. Private."""
