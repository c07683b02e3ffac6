"""A real ASGI server on loopback, and browsers that read slowly or leave."""

from web_server import browse, serve

__all__ = ["browse", "serve"]
