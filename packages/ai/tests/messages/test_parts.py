"""Parts of messages, from paths, bytes, URLs and data URLs; the files are what real encoders wrote."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai import AiError, audio, file, image, text, video
from raptscallions_ai.errors import InvalidMediaError
from raptscallions_ai.messages.media import MAX_BYTES

pytestmark = pytest.mark.requirement("E04-T005.AC2")

MEDIA = Path(__file__).parents[1] / "fixtures" / "media"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
Build = Callable[..., Mapping[str, Any]]
BUILDERS: list[Build] = [image, file, audio, video]
IMAGES = {
    "red.png": "image/png",
    "red.jpeg": "image/jpeg",
    "red.webp": "image/webp",
    "red.gif": "image/gif",
    "red.bmp": "image/bmp",
}
VIDEOS = {"red.mp4": "video/mp4", "red.mpeg": "video/mpeg", "red.mov": "video/mov", "red.webm": "video/webm"}
SOUNDS = {
    "tone.wav": "wav",
    "tone.mp3": "mp3",
    "tagged.mp3": "mp3",
    "tone.flac": "flac",
    "tone.m4a": "m4a",
    "tone.ogg": "ogg",
    "tone.aiff": "aiff",
    "tone.aac": "aac",
}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def data_url(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64(content)}"


def test_a_text() -> None:
    assert text("Hi") == {"type": "text", "text": "Hi"}


@pytest.mark.parametrize(("name", "media_type"), IMAGES.items())
def test_an_image_from_a_path_from_bytes_and_from_a_data_url(name: str, media_type: str) -> None:
    content = (MEDIA / name).read_bytes()
    wire = {"type": "image_url", "image_url": {"url": data_url(content, media_type)}}
    assert image(MEDIA / name) == wire
    assert image(content) == wire
    assert image(data_url(content, media_type)) == wire
    assert image("DATA:;base64," + b64(content)) == wire, "what a data URL leaves out is found in its content"


@pytest.mark.parametrize(("name", "media_type"), VIDEOS.items())
def test_a_video_from_a_path_and_from_bytes(name: str, media_type: str) -> None:
    content = (MEDIA / name).read_bytes()
    wire = {"type": "video_url", "video_url": {"url": data_url(content, media_type)}}
    assert video(MEDIA / name) == video(content) == wire


@pytest.mark.parametrize(("name", "format"), SOUNDS.items())
def test_audio_is_raw_base64_and_a_format(name: str, format: str) -> None:
    content = (MEDIA / name).read_bytes()
    wire = {"type": "input_audio", "input_audio": {"data": b64(content), "format": format}}
    assert audio(MEDIA / name) == audio(content) == audio(data_url(content, "audio/whatever")) == wire


def test_audio_whose_content_does_not_tell_its_format() -> None:
    samples = bytes(range(200, 256))
    assert audio(samples, format="pcm16")["input_audio"] == {"data": b64(samples), "format": "pcm16"}
    with pytest.raises(InvalidMediaError, match="the content is not a known audio type; if it is audio, pass its"):
        audio(samples)
    with pytest.raises(InvalidMediaError, match="tone-mpeg25.mp3 is not a known audio"):
        audio(MEDIA / "tone-mpeg25.mp3")
    with pytest.raises(InvalidMediaError, match=r"sound-in-mp4\.m4a is video/mp4, not audio"):
        audio(MEDIA / "sound-in-mp4.m4a")
    assert audio(MEDIA / "sound-in-mp4.m4a", format="m4a")["input_audio"]["format"] == "m4a"
    with pytest.raises(InvalidMediaError, match="is in the format amr, and not in one of wav, mp3, flac"):
        audio(b"#!AMR\n" + samples)


def test_the_media_type_is_what_the_content_tells_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes((MEDIA / "red.png").read_bytes())
    assert image(path)["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("detail", ["auto", "low", "high", "original"])
def test_the_detail_of_an_image(detail: Any) -> None:
    assert image("https://example.com/a", detail=detail)["image_url"] == {
        "url": "https://example.com/a",
        "detail": detail,
    }


@pytest.mark.parametrize("url", ["https://example.com/a%20b.png?w=1#x", "HTTP://127.0.0.1:1/a", "gs://bucket/a.mp4"])
def test_urls_are_passed_on_as_they_are(url: str) -> None:
    assert image(url)["image_url"]["url"] == url
    assert video(url) == {"type": "video_url", "video_url": {"url": url}}
    assert file(url, filename="a")["file"] == {"filename": "a", "file_data": url}


@pytest.mark.parametrize(
    ("url", "name"),
    [("https://a.b/c/report%20one.pdf?x=/y", "report one.pdf"), ("https://a.b/c/", "file"), ("https://a.b", "file")],
)
def test_a_file_by_url_is_called_what_it_is_called_there(url: str, name: str) -> None:
    assert file(url)["file"].get("filename") == name


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    wire = {"type": "file", "file": {"filename": "report.pdf", "file_data": data_url(PDF, "application/pdf")}}
    assert file(path) == file(PDF, filename="report.pdf") == wire
    assert file(path, filename="other.pdf")["file"].get("filename") == "other.pdf"
    assert file(PDF)["file"].get("filename") == "file.pdf"
    assert file(MEDIA / "red.png")["file"].get("file_data") == image(MEDIA / "red.png")["image_url"]["url"]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [("a.csv", b"a,b\n", "text/csv"), ("a.json", b"{}", "application/json"), ("a.txt", "é".encode(), "text/plain"),
     ("LICENSE", b"free", "text/plain"), ("a.made-up", b"free", "text/plain"), ("a.bin", b"free", "text/plain"),
     ("a.txt", b"BMW, GIF, MZ and ID3 are letters", "text/plain"), ("b.txt", b"BMW and GIF", "text/plain"),
     ("c.txt", b"GIF89a is a format", "text/plain"), ("a.html", b"<p>", "text/html")],
)  # fmt: skip
def test_text_has_no_signature_and_is_what_its_name_claims(
    tmp_path: Path, name: str, content: bytes, media_type: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert file(tmp_path / name)["file"] == {"filename": name, "file_data": data_url(content, media_type)}


def test_a_data_url_of_text() -> None:
    assert file("data:,Hi%20there")["file"] == {
        "filename": "file.txt",
        "file_data": data_url(b"Hi there", "text/plain"),
    }
    csv = data_url(b"a,b", "text/csv")
    assert file(csv)["file"] == {"filename": "file.csv", "file_data": csv}
    assert file("data:text/csv;charset=utf-8;base64," + b64(b"a,b")) == file(csv)
    assert file("data:text/csv;charset=utf-8," + quote("a,b")) == file(csv)


@pytest.mark.parametrize("build", BUILDERS)
def test_a_str_that_is_no_url(build: Build) -> None:
    for source in ("", "secret.png", "/a/secret.png", "C:\\secret.png", "file:///secret.png", "https://secret png"):
        with pytest.raises(ValueError, match=r"give a file as pathlib\.Path\(\.\.\.\)") as caught:
            build(source)
        assert "secret" not in str(caught.value)
        assert not isinstance(caught.value, AiError)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("source", [None, 5, ["a"], bytearray(b"a"), object()], ids=lambda given: type(given).__name__)
def test_another_type_of_source(build: Build, source: Any) -> None:
    with pytest.raises(TypeError, match="a part is made from a str, a Path or bytes, not from "):
        build(source)


def test_a_sound_is_not_sent_by_url() -> None:
    with pytest.raises(ValueError, match="download it"):
        audio("https://example.com/a.mp3")


def test_words_that_are_none() -> None:
    wrong: Any = "huge"
    with pytest.raises(ValueError, match="detail must be one of auto, low, high, original"):
        image("https://example.com/a", detail=wrong)
    with pytest.raises(ValueError, match="format must be one of wav, "):
        audio(b"a", format=wrong)
    with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
        image(b"a", max_bytes=0)


@pytest.mark.parametrize("build", BUILDERS)
def test_a_file_that_cannot_be_read(build: Build, tmp_path: Path) -> None:
    with pytest.raises(InvalidMediaError, match=r"^a\.png cannot be read: No such file") as caught:
        build(tmp_path / "a.png")
    assert (caught.value.reason, caught.value.status_code) == ("unreadable", 400)
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.raises(InvalidMediaError, match="cannot be read: ") as caught:
        build(tmp_path)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("build", BUILDERS)
def test_nothing(build: Build, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    for source, name in ((tmp_path / "a.png", r"a\.png"), (b"", "the content"), ("data:image/png;base64,", "the data")):
        with pytest.raises(InvalidMediaError, match=f"^{name}.* is empty") as caught:
            build(source)
        assert caught.value.details == {"reason": "empty"}


@pytest.mark.parametrize(
    ("build", "name"), [(image, "red.png"), (file, "red.png"), (audio, "tone.wav"), (video, "red.mp4")]
)
def test_too_much(build: Build, name: str) -> None:
    source = MEDIA / name
    size = source.stat().st_size
    assert build(source, max_bytes=size) == build(source)
    for given_as in (source, source.read_bytes()):
        with pytest.raises(InvalidMediaError, match=f"larger than max_bytes, which is {size - 1} bytes") as caught:
            build(given_as, max_bytes=size - 1)
        assert (caught.value.reason, caught.value.status_code) == ("too_large", 413)


def test_too_much_by_default_is_said_in_mebibytes(tmp_path: Path) -> None:
    with open(tmp_path / "a.bin", "wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    with pytest.raises(InvalidMediaError, match=r"a\.bin is larger than max_bytes, which is 50 MiB"):
        file(tmp_path / "a.bin")


def test_no_more_than_the_limit_is_read() -> None:
    with pytest.raises(InvalidMediaError, match="zero is larger than max_bytes"):
        file(Path("/dev/zero"), max_bytes=1000)


@pytest.mark.parametrize("build", BUILDERS)
def test_content_of_no_known_type(build: Build) -> None:
    with pytest.raises(InvalidMediaError, match="the content (is not|has an unknown)") as caught:
        build(b"\x00\xff secret \xfe" * 50)
    assert caught.value.reason == "unknown_type"
    assert "secret" not in str(caught.value)


def test_content_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(InvalidMediaError, match="is application/pdf, not image"):
        image(PDF)
    with pytest.raises(InvalidMediaError, match=r"tone\.wav is audio/x-wav, not video"):
        video(MEDIA / "tone.wav")
    with pytest.raises(InvalidMediaError, match="the data URL is image/png, not audio"):
        audio(data_url((MEDIA / "red.png").read_bytes(), "audio/wav"))
    saved = tmp_path / "report.pdf"
    saved.write_text("<html>404 not found")
    with pytest.raises(InvalidMediaError, match=r"report\.pdf is text, not application/pdf as it claims") as caught:
        file(saved)
    assert caught.value.reason == "wrong_type"
    with pytest.raises(InvalidMediaError, match="is not a known image type"):
        image(b"GIF is a format")


@pytest.mark.parametrize("url", ["data:image/png;base64", "data:image/png;base64,secret?", "data:;base64,AAA"])
@pytest.mark.parametrize("build", BUILDERS)
def test_a_data_url_that_is_none(build: Build, url: str) -> None:
    with pytest.raises(InvalidMediaError, match="the data URL is invalid") as caught:
        build(url)
    assert "secret" not in repr(caught.value) + str(caught.value.__context__)


def test_the_error_can_be_pickled() -> None:
    with pytest.raises(InvalidMediaError) as caught:
        image(PDF)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.reason, again.to_dict()) == (
        str(caught.value),
        caught.value.reason,
        caught.value.to_dict(),
    )


@given(st.binary(min_size=1, max_size=600))
def test_any_content_becomes_a_part_or_an_error(content: bytes) -> None:
    for build in BUILDERS:
        try:
            part = build(content)
        except InvalidMediaError as error:
            assert error.reason in {"unknown_type", "wrong_type"}
        else:
            assert b64(content) in str(part)


@given(st.text())
def test_any_text_is_a_file_as_a_data_url(content: str) -> None:
    if content and "\0" not in content:
        made = file("data:," + quote(content))["file"]
        assert base64.b64decode(made.get("file_data", "").partition(",")[2]).decode() == content
