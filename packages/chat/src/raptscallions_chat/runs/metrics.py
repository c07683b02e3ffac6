"""What is counted of runs, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["RunMetrics"]

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class RunMetrics:
    """The figures of one process, in a registry of their own.

    Attributes:
        registry: What `/metrics` tells.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.runs = Counter("chat_runs", "Runs that ended, by how.", ["end"], registry=registry)
        self.live_runs = Gauge("chat_live_runs", "Runs that this process works on.", registry=registry)
        self.queued_runs = Gauge("chat_queued_runs", "Runs that wait, in all.", registry=registry)
        self.queue_seconds = Histogram("chat_queue_seconds", "From a send to the start of its run.", registry=registry)
        self.first_token_seconds = Histogram(
            "chat_first_token_seconds", "From the start of a run to its first content.", registry=registry
        )
        self.flush_seconds = Histogram(
            "chat_flush_seconds", "To store the events of a moment.", buckets=_SHORT, registry=registry
        )
        self.events = Counter("chat_events", "Events that were stored and shown.", registry=registry)
        self.event_bytes = Counter("chat_event_bytes", "Bytes of these.", registry=registry)
        self.store_failures = Counter("chat_store_failures", "Times that the store failed.", registry=registry)
        self.log_failures = Counter("chat_log_failures", "Times that the log failed.", registry=registry)
        self.readers = Gauge("chat_readers", "Streams that are being read.", registry=registry)
        self.resumes = Counter(
            "chat_resumes", "Readers that came, by where they were served from.", ["source"], registry=registry
        )
        self.stops = Counter("chat_stops", "Runs that were stopped, by why.", ["reason"], registry=registry)
        self.stop_seconds = Histogram(
            "chat_stop_seconds", "From a stop to the end upstream.", buckets=_SHORT, registry=registry
        )
        self.orphans = Counter("chat_orphans", "Runs whose worker had died.", registry=registry)
        self.unsettled = Gauge("chat_unsettled_runs", "Runs whose cost is still asked for.", registry=registry)
        self.sheds = Counter("chat_sheds", "Requests refused, by why.", ["reason"], registry=registry)
        self.loop_lag_seconds = Gauge("chat_loop_lag_seconds", "How late the event loop is.", registry=registry)
