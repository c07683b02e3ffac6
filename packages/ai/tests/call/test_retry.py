import math

import pytest

from raptscallions_ai._call.retry import retry_delay
from raptscallions_ai.errors import AiError, AuthenticationError, ProviderError, RateLimitError

FOREVER = math.inf


def delays(failures: int, *, count: int = 200) -> list[float]:
    found = [retry_delay(ProviderError(), failures=failures, max_retries=10, remaining=FOREVER) for _ in range(count)]
    return [delay for delay in found if delay is not None]


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (10, 8.0)]
)
def test_delays_double_up_to_eight_seconds_less_a_random_half(failures: int, longest: float) -> None:
    found = delays(failures)
    assert len(found) == 200
    assert all(longest / 2 <= delay <= longest for delay in found)
    assert len(set(found)) > 100
    assert min(found) < longest * 0.75 < max(found)


@pytest.mark.parametrize(
    ("failures", "max_retries", "again"), [(1, 0, False), (1, 1, True), (2, 1, False), (5, 5, True)]
)
def test_the_number_of_retries(failures: int, max_retries: int, again: bool) -> None:
    delay = retry_delay(ProviderError(), failures=failures, max_retries=max_retries, remaining=FOREVER)
    assert (delay is not None) == again


@pytest.mark.parametrize("error", [AuthenticationError(), AiError(), ProviderError(retryable=False)], ids=repr)
def test_what_is_not_worth_a_retry(error: AiError) -> None:
    assert retry_delay(error, failures=1, max_retries=5, remaining=FOREVER) is None


@pytest.mark.parametrize("seconds", [0.0, 0.001, 7.0, 3_600.0])
def test_the_gateways_wait_is_followed_exactly(seconds: float) -> None:
    error = RateLimitError(retry_after=seconds)
    assert retry_delay(error, failures=1, max_retries=1, remaining=FOREVER) == seconds
    assert retry_delay(error, failures=4, max_retries=5, remaining=FOREVER) == seconds


@pytest.mark.parametrize(
    ("wait", "remaining", "delay"),
    [(5.0, 6.0, 5.0), (5.0, 5.0, None), (5.0, 4.0, None), (0.0, 0.0, None), (1.0, -1.0, None)],
)
def test_a_wait_that_does_not_fit_is_not_begun(wait: float, remaining: float, delay: float | None) -> None:
    assert retry_delay(RateLimitError(retry_after=wait), failures=1, max_retries=1, remaining=remaining) == delay


@pytest.mark.parametrize(("patience", "delay"), [(4.9, None), (5.0, 5.0), (5.1, 5.0)])
def test_a_wait_that_is_longer_than_patience_is_not_begun(patience: float, delay: float | None) -> None:
    error = RateLimitError(retry_after=5.0)
    assert retry_delay(error, failures=1, max_retries=1, remaining=FOREVER, patience=patience) == delay


def test_a_wait_of_our_own_that_does_not_fit_is_not_begun() -> None:
    assert retry_delay(ProviderError(), failures=1, max_retries=1, remaining=0.2) is None


def test_a_retryable_error_of_any_class_is_retried() -> None:
    assert retry_delay(AiError(retryable=True), failures=1, max_retries=1, remaining=FOREVER) is not None
