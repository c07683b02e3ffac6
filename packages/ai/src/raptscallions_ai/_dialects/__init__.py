"""Shapes without sockets: bytes to events, events to chunks, failures to errors. Nothing here does I/O. Private."""
