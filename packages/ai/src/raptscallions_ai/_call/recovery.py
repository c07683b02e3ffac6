"""What a call does after an attempt failed: ask again, ask elsewhere, or give up."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, cast, get_args

from raptscallions_ai._call.retry import backoff, retry_delay
from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import (
    BadRequestError,
    ConfigurationError,
    ContentPolicyError,
    ContextLengthError,
    InvalidResponseError,
    PermissionDeniedError,
    TimeoutError,
)
from raptscallions_ai.options.call_options import OnInterrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._call.route import Route
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai.errors import AiError

__all__ = ["Recovery", "checked_models", "checked_on_interrupt"]

_log = Log()

_PATIENCE = 2.0  # seconds; with another route to ask, no wait is longer
_OF_THE_GATEWAY = (404, 405, 413)  # a wrong address or a body that is too large may be fine elsewhere
_CANNOT = re.compile(
    r"not (?:yet |currently )?(?:supported|available|allowed|permitted|implemented|enabled)|unsupported|unrecognized"
    r"|(?:does|do)(?:n't| not|n\u2019t) (?:support|accept|allow)|cannot (?:be used|use)|incompatible with",
    re.IGNORECASE,
)
_ABOUT_THE_REQUEST = (ContentPolicyError, ContextLengthError, PermissionDeniedError)


class Recovery:
    """Choose a call's route, and after each failure the next step.

    Args:
        routes: The ways to an answer, the first choice first.
        on_interrupt: What to do when an answer breaks off.
        prefill: Whether the models continue a trailing assistant message; None for what is known of them.
        after_content_policy: Whether to ask elsewhere, too, when the content was rejected.

    Attributes:
        route: The route to ask now.
        may_continue: Whether an answer that broke off is to be gone on with, where the model can.
        prefill: Whether it is known that the model can; None to go by its name.
        continuing: Whether that is what the current attempt does.
        resuming: Whether the current attempt goes on with an answer that has paused, which only this route can.
        sent: What the current attempt asks.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        on_interrupt: OnInterrupt = "fail",
        prefill: bool | None = None,
        after_content_policy: bool = False,
    ) -> None:
        self._untried = list(routes)
        self._trying = False  # whether a route that was resting is asked to see whether it is back
        self._alone = len(routes) == 1
        self._on_interrupt = on_interrupt
        self.prefill = prefill
        self.may_continue: bool = on_interrupt == "continue"
        self.continuing = self.resuming = False
        self._after_content_policy = after_content_policy
        self._failures = 0
        self._interruptions = 0
        self.sent: ChatRequest | None = None
        self.route: Route = self._claim(self._untried)

    @property
    def can_fail_over(self) -> bool:
        """Whether an answer that breaks off would be asked of another route."""
        return self._on_interrupt != "fail" and bool(self._untried)

    @property
    def routes_left(self) -> int:
        """How many routes there are to ask instead of this one while it is silent."""
        return 0 if self.resuming else len(self._untried)

    def after(self, error: AiError, *, interrupted: bool, remaining: float, time_left: float) -> float | None:
        """Return the seconds to wait before the next attempt, which is for `route`; None to give up.

        Args:
            error: What the attempt failed with.
            interrupted: Whether content had arrived by then.
            remaining: Seconds until the nearest deadline for asking the same route again.
            time_left: Seconds until the call as a whole must end.
        """
        if interrupted and self._on_interrupt == "fail":
            return None
        if interrupted:  # the wait is a part of the time until the next first content
            remaining = min(time_left, self.route.timeouts.first_chunk or math.inf)
        self.resuming = self.resuming and not interrupted
        if (delay := self._retry_delay(error, interrupted=interrupted, remaining=remaining)) is not None:
            return delay
        if self.resuming and self._on_interrupt == "fail":
            return None  # what the caller has got would be taken back
        self.resuming = False
        if _counts_against_route(error):
            self.route.breakers.failed(self.route.model)
        suitable = [route for route in self._untried if self._suits(route, error)]
        if not suitable or time_left <= 0:
            return None
        self.route = self._claim(suitable)
        self._failures = self._interruptions = 0
        return 0.0

    def paused(self) -> None:
        """Note that the route gave an answer that has paused, with which it is to go on."""
        self.resuming = True
        self._failures = 0

    def succeeded(self) -> None:
        """Note that the route gave a whole answer."""
        self.route.breakers.succeeded(self.route.model)

    def _retry_delay(self, error: AiError, *, interrupted: bool, remaining: float) -> float | None:
        """Return the seconds to wait before asking the same route again; None if it should not be asked again."""
        others = bool(self._untried)
        phase = error.phase if isinstance(error, TimeoutError) else None
        if phase in ("first_chunk", "total") or (phase == "idle" and others):
            return None  # a route that is silent is not asked twice
        if self.continuing and not interrupted and isinstance(error, BadRequestError):
            self.prefill = False  # it does not take the beginning of an answer after all
            return 0.0
        if not interrupted and self._has_other_spelling(error):
            return 0.0
        retries, patience = self.route.max_retries, _PATIENCE if others else math.inf
        if others and self._trying:
            retries = 0
        if not interrupted:
            self._failures += 1
            failures = self._failures
            return retry_delay(error, failures=failures, max_retries=retries, remaining=remaining, patience=patience)
        self._failures = 0
        self._interruptions += 1
        if self._interruptions > max(1, retries) or not (error.retryable or isinstance(error, InvalidResponseError)):
            return None
        delay = backoff(error, failures=self._interruptions)
        return delay if delay < remaining and delay <= patience else None

    def _has_other_spelling(self, error: AiError) -> bool:
        """Whether the request was refused for its spelling alone, and there is another that says the same."""
        if self.sent is None or not isinstance(error, BadRequestError) or error.gateway_status not in (400, 422):
            return False
        lesson = self.route.gateway.dialect.learn(self.sent, error.gateway_message or "")
        if lesson is not None:
            _log.warning("%s rejected a parameter of the request; from now on it is sent: %s", self.route, lesson)
        return lesson is not None

    def _claim(self, suitable: Sequence[Route]) -> Route:
        """Take the first route that is not known to be down, or the first if all are."""
        route = suitable[0]
        if not self._alone:
            route = next((route for route in suitable if route.breakers.allows(route.model)), route)
        self._trying = not self._alone and route.breakers.is_tried(route.model)
        self._untried.remove(route)
        return route

    def _suits(self, route: Route, error: AiError) -> bool:
        """Whether asking another route can help against this error."""
        elsewhere = route.gateway is not self.route.gateway
        match error:
            case ContentPolicyError():
                return self._after_content_policy
            case ContextLengthError():
                if (route.gateway.url, route.model) == (self.route.gateway.url, self.route.model):
                    return False  # under another key it is as long
                needed = error.requested_tokens or (error.max_tokens or self.route.facts.context_length or 0) + 1
                length = route.facts.context_length
                return length is None or length >= needed
            case ConfigurationError():
                return elsewhere
            case BadRequestError():
                return _may_work_elsewhere(error) or (elsewhere and error.status_code in _OF_THE_GATEWAY)
            case _:
                return True


def _may_work_elsewhere(error: BadRequestError) -> bool:
    """Whether a request was refused for what the model or the gateway cannot do, or without a reason."""
    return error.gateway_message is None or _CANNOT.search(error.gateway_message) is not None


def _counts_against_route(error: AiError) -> bool:
    if isinstance(error, BadRequestError):
        return error.status_code == 404
    return not isinstance(error, _ABOUT_THE_REQUEST)


def checked_on_interrupt(value: OnInterrupt) -> OnInterrupt:
    """Return what is to be done when an answer breaks off.

    Raises:
        ValueError: It is not one of the three words.
    """
    if value not in get_args(OnInterrupt):
        raise ValueError("on_interrupt must be 'fail', 'restart' or 'continue'")
    return value


def checked_models(models: Sequence[str]) -> tuple[str, ...]:
    """Return the models to fall back to.

    Raises:
        TypeError: It is not a sequence of names.
        ValueError: A name is empty.
    """
    if isinstance(models, str) or not all(isinstance(name, str) for name in cast("Sequence[object]", models)):
        raise TypeError("fallback_models must be a list of model ids")
    if not all(name.strip() for name in models):
        raise ValueError("fallback_models must not hold an empty name")
    return tuple(models)
