"""Bytes and JSON: everything that knows the gateway's wire format, and nothing that does I/O."""
