"""Boundaries of errors, and of what they quote: what mutation testing showed that no other test would notice."""

import json
import pickle
import time
from collections.abc import Iterator
from typing import Any

import pytest

from raptscallions_ai._dialects.failures import classify, is_no_such_endpoint, read_failure
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._dialects.retry_after import parse_retry_after
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    ModelNotAvailableError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    TimeoutError,
)
from raptscallions_ai.errors.text import printable_line

pytestmark = pytest.mark.requirement("E04-T003.AC9")


def mapped(payload: object, status: int | None = None, headers: dict[str, str] | None = None) -> AiError:
    return classify(read_failure(payload, status=status, headers=headers), model="some/model", redact=str)


CONTEXT, POLICY, CREDITS = "the prompt is too long", "flagged by moderation", "insufficient credits"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (None, CONTEXT, ContextLengthError),
        (400, CONTEXT, ContextLengthError),
        (422, CONTEXT, ContextLengthError),
        (413, POLICY, ContentPolicyError),
        (None, POLICY, ContentPolicyError),
        (404, POLICY, ContentPolicyError),
        (405, POLICY, BadRequestError),
        (429, POLICY, RateLimitError),
        (429, CONTEXT, RateLimitError),
        (429, CREDITS, InsufficientCreditsError),
        (400, CREDITS, InsufficientCreditsError),
        (500, CONTEXT, ContextLengthError),
        (504, CONTEXT, TimeoutError),
        (500, POLICY, ProviderError),
        (404, "gone fishing", ModelNotAvailableError),
        (413, "gone fishing", ContextLengthError),
        (403, "gone fishing", AuthenticationError),
        (403, "blocked in your country", PermissionDeniedError),
    ],
)
def test_a_sentence_counts_where_the_status_says_little(status: int | None, message: str, kind: type[AiError]) -> None:
    assert type(mapped({"error": {"message": message}}, status)) is kind


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (404, "Not Found", True),
        (404, "gone fishing", False),
        (405, "Not Found", True),
        (501, "Not Found", True),
        (400, "Not Found", False),
        (500, "Not Found", False),
    ],
)
def test_what_says_that_there_is_nothing_at_a_path(status: int, message: str, expected: bool) -> None:
    assert is_no_such_endpoint(read_failure({"error": {"message": message}}, status=status)) == expected


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"reasons": ["x"]}, ContentPolicyError),
        ({"flagged_input": "x"}, ContentPolicyError),
        ({"patterns": ["x"]}, PermissionDeniedError),
        ({"others": ["x"]}, AuthenticationError),
    ],
    ids=str,
)
def test_what_a_refusal_is_about(metadata: dict[str, object], kind: type[AiError]) -> None:
    assert type(mapped({"error": {"message": "m", "metadata": metadata}}, 403)) is kind


@pytest.mark.parametrize(("length", "shown"), [(499, "x" * 499), (500, "x" * 500), (501, "x" * 499 + "…")])
def test_a_message_is_cut_at_500_characters(length: int, shown: str) -> None:
    assert str(mapped({"error": {"message": "x" * length}}, 400)) == shown


@pytest.mark.parametrize(
    ("code", "status"), [(399, 502), (500, 500), (599, 599), (600, 502), ("599", 599), ("0599", 502), (True, 502)]
)
def test_the_statuses_that_an_error_may_name(code: object, status: int) -> None:
    error = mapped({"error": {"message": "m", "type": "server_error", "code": code}})
    assert (type(error), error.status_code) == (ProviderError, status)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (402, InsufficientCreditsError), (429, RateLimitError)]
)
def test_a_status_that_says_something_counts_more_than_a_servers_error(status: int, kind: type[AiError]) -> None:
    assert type(mapped({"error": {"message": "m", "type": "server_error"}}, status)) is kind


@pytest.mark.parametrize("status", [400, 418])
def test_a_failure_of_the_provider_is_a_5xx_whatever_the_status(status: int) -> None:
    error = mapped({"error": {"message": "m", "type": "server_error"}}, status)
    assert (type(error), error.status_code) == (ProviderError, 502)


@pytest.mark.parametrize("name", ["code", "http_status", "status"])
def test_the_places_where_a_status_is_named(name: str) -> None:
    assert type(mapped({"error": {"message": "m", name: 429}})) is RateLimitError


@pytest.mark.parametrize("level", ["{%s}", "[{%s}]"], ids=["objects", "lists"])
def test_envelopes_are_opened_to_a_depth(level: str) -> None:
    def wrapped(times: int) -> object:
        text = '"message":"found"'
        for _ in range(times):
            text = '"error":' + level % text
        return json.loads("{" + text + "}")

    reached = [times for times in range(1, 12) if str(mapped(wrapped(times), 400)) == "found"]
    assert reached == ([1, 2, 3, 4, 5] if level == "{%s}" else [1, 2])


def test_lists_in_lists_are_opened_to_a_depth() -> None:
    def wrapped(times: int) -> object:
        return json.loads("[" * times + '{"message":"found"}' + "]" * times)

    assert [times for times in range(1, 12) if str(mapped(wrapped(times), 400)) == "found"] == [1, 2, 3, 4, 5]


def test_five_validation_errors_are_reported() -> None:
    assert str(mapped([{"msg": str(number)} for number in range(7)], 400)) == "0; 1; 2; 3; 4"


@pytest.mark.parametrize("raw", [' \n{"message":"why"}', '{"message":"why"}', '["a"]', '[{"message":"why"}] '])
def test_raw_errors_are_recognised_as_json_behind_blanks(raw: str) -> None:
    details = mapped({"error": {"message": "m", "metadata": {"raw": raw}}}, 500).details
    assert details == {"provider_message": "a" if raw == '["a"]' else "why"}


def test_a_raw_error_with_a_lone_surrogate() -> None:
    error = mapped({"error": {"message": "m", "metadata": {"raw": '{"message":"why \ud800 not"}'}}}, 500)
    assert error.details == {"provider_message": "why ? not"}


def test_a_page_is_recognised_behind_blanks() -> None:
    assert str(mapped("\n <p>down</p> ", 500)) == "AI gateway error: an HTML page: down"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"n_ctx": 7}, (7, None)),
        ({"n_prompt_tokens": 8}, (None, 8)),
        ({"n_ctx": "7", "n_prompt_tokens": 8}, (None, 8)),
        ({"n_ctx": True, "n_prompt_tokens": -1}, (None, None)),
        ({"n_ctx": 0, "n_prompt_tokens": 999_999_999}, (0, 999_999_999)),
        ({"n_ctx": 1_000_000_000}, (None, None)),
    ],
    ids=str,
)
def test_sizes_of_the_context(sizes: dict[str, object], expected: tuple[int | None, int | None]) -> None:
    error = mapped({"error": {"message": "m", "type": "exceed_context_size_error", **sizes}}, 400)
    assert isinstance(error, ContextLengthError)
    assert (error.max_tokens, error.requested_tokens) == expected


@pytest.mark.parametrize("name", ["x-generation-id", "x-request-id", "request-id", "x-litellm-call-id", "cf-ray"])
def test_the_headers_that_hold_an_id(name: str) -> None:
    assert mapped({}, 500, {name: "id-1"}).request_id == "id-1"


def hidden(text: str, *contents: str) -> str:
    return Redactor([], [{"role": "user", "content": content} for content in contents])(text)


@pytest.mark.parametrize("contents", [("zz secret", "a zz secret plan"), ("a zz secret plan", "zz secret")])
def test_the_longest_quotation_is_hidden_first(contents: tuple[str, str]) -> None:
    assert hidden("about a zz secret plan", *contents) == "about [hidden]"


@pytest.mark.parametrize(
    ("said", "shown"), [("two word", "[hidden]"), ("a words", "a words"), ("x" * 16, "[hidden]"), ("x" * 15, "x" * 15)]
)
def test_how_short_a_message_is_hidden(said: str, shown: str) -> None:
    assert hidden(said, said) == shown


def test_quotations_side_by_side_are_each_hidden() -> None:
    first, second = "abcdefgh ijklmno", "pqrstuvw yzabcde"
    assert hidden(first + second, f"- {first} -", f"- {second} -") == "[hidden][hidden]"


def test_an_invisible_mark_does_not_save_a_quotation() -> None:
    said = "my \u200fname is\u200b Ada\ufeff Lovelace"
    assert hidden(str(mapped({"error": {"message": f"bad: {said}"}}, 400)), said) == "bad: [hidden]"


def test_a_printable_line() -> None:
    assert printable_line("  a\u200bb\n\x00 c\u00a0d é ") == "a b c d é"


def test_a_redactor_tells_nothing_of_itself() -> None:
    assert repr(Redactor(["key"], ["prompt"])) == "Redactor(...)"


def test_a_redactor_is_not_pickled() -> None:
    why = "the state of a call cannot be pickled or copied: it holds the key and the conversation"
    with pytest.raises(TypeError, match=f"^{why}$"):
        pickle.dumps(Redactor(["key"], ["prompt"]))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its time zone")
    monkeypatch.setenv("TZ", "XYZ-5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_date_without_a_zone_is_utc_and_not_local_time() -> None:
    assert time.localtime(0).tm_hour == 5
    headers = {"retry-after": "Fri, 15 Jan 2027 08:00:30 -0000"}
    assert parse_retry_after(headers, {}, now=1_800_000_000) == 30.0


@pytest.mark.parametrize(
    ("reset", "now", "seconds"),
    [
        (999_999_999, 10**9, 999_999_999.0),
        (10**9, 10**9 - 5, 5.0),
        (10**9, 10**9 + 5, 0.0),
        (10**12 - 1, 0, 10**12 - 1.0),
        (10**12, 0, 10**9),
    ],
)
def test_where_a_duration_ends_and_a_point_in_time_begins(reset: int, now: int, seconds: float) -> None:
    assert parse_retry_after({"x-ratelimit-reset": str(reset)}, {}, now=now) == seconds


def test_the_types_own_status_where_nothing_else_names_one() -> None:
    assert mapped({"error": {"message": "m", "type": "overloaded_error"}}).status_code == 529
    assert mapped({"error": {"message": "m", "error_type": "provider_overloaded"}}).status_code == 503


@pytest.mark.parametrize(("status", "read"), [(399, None), (400, 400), (599, 599), (600, None)])
def test_the_statuses_that_are_read_and_passed_on(status: int, read: int | None) -> None:
    assert read_failure({"error": {"message": "m", "code": status}}).status == read
    error = mapped({"error": {"message": "m", "type": "server_error"}}, status)
    assert error.status_code == (599 if status == 599 else 502)


def test_an_error_in_a_stream_that_names_no_status_is_a_400() -> None:
    assert mapped({"error": {"message": "m", "type": "content_filter"}}).status_code == 400


def test_at_most_twenty_reasons_are_reported_and_odd_ones_are_empty() -> None:
    error = mapped({"error": {"message": "m", "metadata": {"reasons": [5, *map(str, range(30))]}}}, 403)
    assert isinstance(error, ContentPolicyError)
    assert error.reasons == ("", *map(str, range(19)))


def test_a_redirect_names_its_status_and_keeps_its_id() -> None:
    error = mapped({}, 302, {"x-request-id": "id-1"})
    assert str(error) == "Invalid AI API response: the gateway answered with status 302 - check AI_GATEWAY_URL"
    assert error.request_id == "id-1"


def test_an_error_that_is_wrapped_too_deeply_says_nothing() -> None:
    wrapped: Any = "why"
    for _ in range(9):
        wrapped = {"error": wrapped}
    assert str(mapped(wrapped, 400)) == "The AI gateway rejected the request"
