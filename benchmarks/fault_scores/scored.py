"""Which faults are scored: those of which every client may be asked the same."""

from __future__ import annotations

from raptscallions_ai.testing.faults import FAULTS, Fault

__all__ = ["SCORED", "left_out"]

_SIZE = "only this library limits the size of events and bodies, and says so in an option"
_TOTAL = "few clients have one deadline for a whole call"
_WAITING = "only this library reports keep-alives; as to the text, another fault is the same"
_USAGE = "whether an answer without usage is a failure is a choice"
_EVIDENCE = "whether this proves that an answer is complete is a choice"
_AFTER_FINISH = "what an error after the finish reason means is a choice"
_TRANSPORT = "whether a broken transfer spoils an answer whose end has come is a choice"
_NOT_JSON = "no JSON: whether to be strict about a field that does not matter is a choice"
_OTHER_FORM = "whether to accept an answer in another form than was asked for is a choice"
_RETRY_OK = "whether to try again after a broken answer with status 200 is a choice"
_RETRY = "whether to wait for so long, or to try again at all, is a choice"
_PRIVATE = "whether a prompt may follow a redirect is a choice"
_LENIENT = "to read on is no worse than to give up"

_CHOICES = {
    "usage-empty": _USAGE,
    "usage-missing": _USAGE,
    "json-usage-missing": _USAGE,
    "cut-before-usage": _USAGE,
    "silent-before-usage": _USAGE,
    "cut-done-alone": _EVIDENCE,
    "cut-end-with-usage": _EVIDENCE,
    "in-stream-native-error": _EVIDENCE,
    "end-length-then-error": _AFTER_FINISH,
    "end-length-then-typed-error": _AFTER_FINISH,
    "in-stream-after-finish": _AFTER_FINISH,
    "in-stream-after-length": _AFTER_FINISH,
    "cut-reset-after-usage": _TRANSPORT,
    "frame-no-last-chunk": _TRANSPORT,
    "frame-finished-length": _TRANSPORT,
    "size-gzip-cut": _TRANSPORT,
    "json-nan": _NOT_JSON,
    "json-infinity": _NOT_JSON,
    "json-cost-nan": _NOT_JSON,
    "json-lone-surrogate": "how half a character is shown is a choice",
    "json-deep-nesting": _LENIENT,
    "size-long-header": _LENIENT,
    "size-many-empty-chunks": "it takes seconds to compute in most clients, so that the machine decides",
    "ok-json-in-event": _OTHER_FORM,
    "ok-json-for-stream": _OTHER_FORM,
    "ok-json-labelled": _OTHER_FORM,
    "ok-json-pretty": _OTHER_FORM,
    "json-stream-instead": _OTHER_FORM,
    "retry-empty": _RETRY_OK,
    "retry-no-text": _RETRY_OK,
    "retry-in-stream": _RETRY_OK,
    "retry-ok-error": _RETRY_OK,
    "retry-garbled": _RETRY_OK,
    "retry-no-choices": _RETRY_OK,
    "retry-after-402-followed": _RETRY,
    "retry-after-beyond-deadline": _RETRY,
    "redirect-other-host": _PRIVATE,
}


def left_out(fault: Fault) -> str | None:
    """Return why a fault is not scored, or None if it is."""
    if fault.max_event_bytes is not None:
        return _SIZE
    if fault.timeouts.total is not None:
        return _TOTAL
    if fault.include_waiting:
        return _WAITING
    return _CHOICES.get(fault.id)


SCORED = tuple(fault for fault in FAULTS if left_out(fault) is None)
"""The faults that are scored, in the order of the catalogue."""

if unknown := _CHOICES.keys() - {fault.id for fault in FAULTS}:
    raise LookupError(f"no such faults: {', '.join(sorted(unknown))}")
