"""What may be attached, by the bytes and not by what their sender says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.files.media_types import clean_name, media_type_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PDF = b"%PDF-1.7\n"
EXE = b"MZ\x90\x00" + bytes(60)
ZIP = b"PK\x03\x04" + bytes(40)


@pytest.mark.parametrize(
    ("data", "told", "found"),
    [
        (PNG, "", "image/png"),
        (PNG, "image/jpeg", "image/png"),
        (PNG, "application/octet-stream", "image/png"),
        (PDF, "application/pdf", "application/pdf"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "text/csv"),
        ("gr\u00fcn".encode(), "", "text/plain"),
        (b"<script>alert(1)</script>", "text/html", "text/plain"),
        (b"print(1)", "text/x-python", "text/plain"),
        (b"{}", "application/json", "application/json"),
    ],
)
def test_types_that_may_be_attached(data: bytes, told: str, found: str) -> None:
    assert media_type_of(data, told) == found


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (EXE, "image/png"),
        (ZIP, ""),
        (PNG, "text/plain"),
        (PNG, "application/pdf"),
        (b"\xff\xfe\x00not text", "text/plain"),
        (b"a\x00b", "text/plain"),
        (b"just text", "image/png"),
    ],
)
def test_everything_else_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(ChatError) as caught:
        media_type_of(data, told)
    assert (caught.value.code, caught.value.status_code) == ("unsupported_media_type", 415)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\a.pdf", "a.pdf"),
        ('a"b\r\nSet-Cookie: x.png', "abSet-Cookie x.png"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("", "file"),
        ("...", "file"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@given(st.text())
def test_any_name_becomes_a_harmless_one(name: str) -> None:
    assert 0 < len(clean_name(name)) <= 200
    assert clean_name(name).isprintable()
    assert not set(clean_name(name)) & set('/\\"\r\n\0')
