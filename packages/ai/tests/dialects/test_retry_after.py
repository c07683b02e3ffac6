import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.retry_after import parse_retry_after

NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:30 GMT"  # half a minute after NOW


def reset(value: object) -> dict[str, Any]:
    return {"metadata": {"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Reset": value}}}


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        pytest.param({}, {}, None, id="nothing"),
        pytest.param({"retry-after": "7"}, {}, 7.0, id="seconds"),
        pytest.param({"retry-after": " 7 "}, {}, 7.0, id="seconds with blanks"),
        pytest.param({"retry-after": "0.5"}, {}, 0.5, id="part of a second"),
        pytest.param({"retry-after": "0"}, {}, 0.0, id="at once"),
        pytest.param({"retry-after": DATE}, {}, 30.0, id="date"),
        pytest.param({"retry-after": "Fri, 15 Jan 2027 08:00:30 -0000"}, {}, 30.0, id="date without a zone"),
        pytest.param({"retry-after": "Fri, 15 Jan 2027 09:00:30 +0100"}, {}, 30.0, id="date of another zone"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 0.0, id="date in the past"),
        pytest.param({"retry-after-ms": "1500"}, {}, 1.5, id="milliseconds"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "9"}, {}, 1.5, id="milliseconds are finer"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "9"}, {}, 9.0, id="unreadable milliseconds"),
        pytest.param({"llm_provider-retry-after": "60"}, {}, 60.0, id="LiteLLM"),
        pytest.param({"retry-after": "5", "llm_provider-retry-after": "60"}, {}, 5.0, id="the gateway's own first"),
        pytest.param({}, {"availability": {"retry_after": 4}}, 4.0, id="availability"),
        pytest.param({}, {"metadata": {"retry_after": 4.5}}, 4.5, id="metadata"),
        pytest.param({"retry-after": "7"}, {"availability": {"retry_after": 4}}, 7.0, id="header before body"),
        pytest.param({"retry-after": "soon"}, {"availability": {"retry_after": 4}}, 4.0, id="unreadable header"),
        pytest.param({"x-ratelimit-reset": "1800000012000"}, {}, 12.0, id="reset in epoch milliseconds"),
        pytest.param({"x-ratelimit-reset": "1800000012"}, {}, 12.0, id="reset in epoch seconds"),
        pytest.param({"x-ratelimit-reset": "12"}, {}, 12.0, id="reset in seconds"),
        pytest.param({"x-ratelimit-reset": "1700000000000"}, {}, 0.0, id="reset in the past"),
        pytest.param({"x-ratelimit-reset": "6m0s"}, reset("12"), 12.0, id="unreadable reset"),
        pytest.param({}, reset("1800000012000"), 12.0, id="reset in the body"),
        pytest.param({}, reset(1800000012000), 12.0, id="reset in the body as a number"),
        pytest.param({"retry-after": "3"}, reset("1800000012000"), 3.0, id="retry-after before reset"),
        pytest.param({}, {"availability": {"retry_after": 4}, **reset("12")}, 4.0, id="availability before reset"),
        pytest.param({"retry-after": "-5"}, {}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, {}, None, id="nan"),
        pytest.param({"retry-after": "inf"}, {}, None, id="infinite"),
        pytest.param({"retry-after": "1e999"}, {}, None, id="beyond all floats"),
        pytest.param({"retry-after": ""}, {}, None, id="empty"),
        pytest.param({"retry-after": "tomorrow"}, {}, None, id="words"),
        pytest.param({"retry-after": "Fri, 99 Jan 2027 08:00:30 GMT"}, {}, None, id="no such day"),
        pytest.param({}, {"availability": {"retry_after": True}}, None, id="true is no number"),
        pytest.param({}, {"availability": {"retry_after": 10**400}}, None, id="integer beyond all floats"),
        pytest.param({}, {"availability": "soon", "metadata": ["x"]}, None, id="shapes of another type"),
        pytest.param({}, {"availability": None, "metadata": {"headers": None}}, None, id="nulls"),
    ],
)
def test_forms(headers: dict[str, str], error: dict[str, Any], seconds: float | None) -> None:
    assert parse_retry_after(headers, error, now=NOW) == seconds


def test_the_present_is_the_clocks() -> None:
    seconds = parse_retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)}, {})
    assert seconds is not None and 50 < seconds <= 100


VALUES = st.text(max_size=40) | st.sampled_from(["5", "-1", DATE, "Mon, 01 Jan 0001 00:00:00 +2359", "31 Dec 9999"])
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["availability", "metadata", "headers", "retry_after", "X-RateLimit-Reset"]), inner, max_size=3
    ),
)


@given(
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "llm_provider-retry-after"]), VALUES
    ),
    error=st.dictionaries(st.sampled_from(["availability", "metadata"]), BODIES),
)
def test_whatever_is_sent_gives_a_wait_or_none(headers: dict[str, str], error: dict[str, Any]) -> None:
    seconds = parse_retry_after(headers, error, now=NOW)
    assert seconds is None or 0 <= seconds < float("inf")
