"""How a command ends, for scripts.

====  ==========================================================================
   0  it did what was asked; an interactive chat that was left ends with this too
   1  any failure without a code of its own: no connection, unknown model, a
      provider that failed, an answer that was cut off
   2  the command line itself is wrong, or there is no prompt
   3  settings are missing or invalid, or an extra is not installed
   4  the gateway refuses: wrong key, no permission, no credits
   5  rate limit
   6  a deadline passed
 130  Ctrl-C
 141  the reader of a pipe went away, as in ``raptscallions-ai chat ... | head -1``
====  ==========================================================================
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EXIT_CODES_HELP", "ExitCode"]


class ExitCode(IntEnum):
    """The exit codes of every command; 130 and 141 are what a shell reports for SIGINT and SIGPIPE."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIGURATION = 3
    ACCESS = 4
    RATE_LIMIT = 5
    TIMEOUT = 6
    INTERRUPTED = 130
    PIPE_CLOSED = 141


EXIT_CODES_HELP = """\b
Exit codes:
  0    success
  1    any other failure: no connection, unknown model, answer cut off
  2    wrong command line
  3    settings missing or invalid, or an extra not installed
  4    the gateway refuses: wrong key, no permission, no credits
  5    rate limit
  6    a deadline passed
  130  interrupted with Ctrl-C
  141  the reader of a pipe went away (| head -1)"""
