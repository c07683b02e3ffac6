import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai.models import (
    MODEL_ALIASES,
    ModelId,
    RouteVariant,
    apply_variant,
    parse_model_id,
    resolve_model_alias,
)
from raptscallions_ai.options.routing import default_aliases

pytestmark = pytest.mark.requirement("E04-T005.AC1")

PARTS = st.text("abc-.~_0", min_size=1, max_size=6).filter(lambda text: not text.startswith("~"))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("openai/gpt-4o", ModelId("openai", "gpt-4o")),
        ("openai/gpt-4o:nitro", ModelId("openai", "gpt-4o", (RouteVariant.NITRO,))),
        ("a/b:free:online", ModelId("a", "b", (RouteVariant.FREE, RouteVariant.ONLINE))),
        ("a/b:later", ModelId("a", "b", ("later",))),
        ("llama3.2:3b", ModelId(None, "llama3.2", ("3b",))),
        ("gpt-4o", ModelId(None, "gpt-4o")),
        ("openrouter/auto", ModelId("openrouter", "auto")),
        ("~anthropic/claude-sonnet-latest", ModelId("anthropic", "claude-sonnet-latest", latest=True)),
        ("@preset/support", ModelId(None, "", preset="support")),
        ("openai/gpt-4o@preset/support", ModelId("openai", "gpt-4o", preset="support")),
        ("openai/gpt-4o:floor@preset/support", ModelId("openai", "gpt-4o", (RouteVariant.FLOOR,), "support")),
        ("huggingface/Qwen/Qwen2", ModelId("huggingface", "Qwen/Qwen2")),
    ],
)
def test_an_id_is_taken_apart_and_put_together(text: str, parsed: ModelId) -> None:
    assert parse_model_id(text) == parsed
    assert str(parse_model_id(text)) == text


def test_what_an_id_tells() -> None:
    parsed = parse_model_id("~anthropic/claude-sonnet-latest:nitro:online@preset/x")
    assert (parsed.base, parsed.variant) == ("~anthropic/claude-sonnet-latest", RouteVariant.NITRO)
    assert parse_model_id("a/b").variant is None
    assert [parse_model_id(text).is_router for text in ("openrouter/auto", "openai/auto")] == [True, False]


@pytest.mark.parametrize(
    "text",
    ["", " ", "/", "a/", "/b", "~", "~/b", "~@preset/x", "a/b:", "a/b::free", ":free", "@preset/", ":free@preset/x"],
)
def test_an_id_with_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must not have empty parts; it looks like author/name:variant"):
        parse_model_id(text)


@given(
    st.builds(
        ModelId,
        st.none() | PARTS,
        PARTS,
        st.lists(st.sampled_from([*RouteVariant][1:]) | PARTS, max_size=3).map(tuple),
        st.none() | PARTS,
        st.booleans(),
    )
)
def test_every_id_survives_the_round(parsed: ModelId) -> None:
    assert parse_model_id(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "variant", "expected"),
    [
        ("anthropic/claude-3-opus", RouteVariant.NITRO, "anthropic/claude-3-opus:nitro"),
        ("anthropic/claude-3-opus", RouteVariant.DEFAULT, "anthropic/claude-3-opus"),
        ("a/b:nitro", RouteVariant.NITRO, "a/b:nitro"),
        ("a/b:free", RouteVariant.ONLINE, "a/b:free:online"),
        ("a/b", "later", "a/b:later"),
        ("a/b@preset/x", RouteVariant.FLOOR, "a/b:floor@preset/x"),
        ("gpt-4o", RouteVariant.FLOOR, "gpt-4o:floor"),
    ],
)
def test_a_variant_is_applied(text: str, variant: RouteVariant | str, expected: str) -> None:
    assert apply_variant(text, variant) == expected


def test_a_preset_takes_no_variant() -> None:
    with pytest.raises(ValueError, match="a preset cannot have a variant"):
        apply_variant("@preset/x", RouteVariant.NITRO)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("gpt-4o:nitro", "openai/gpt-4o:nitro"),
        ("gpt-4o@preset/x", "openai/gpt-4o@preset/x"),
        ("claude-3-opus", "anthropic/claude-3-opus"),
        ("llama-3-70b:free:online", "meta-llama/llama-3-70b-instruct:free:online"),
        ("someone/gpt-4o", "someone/gpt-4o"),
        ("gpt-5", "gpt-5"),
        ("@preset/gpt-4o", "@preset/gpt-4o"),
    ],
)
def test_an_alias_is_resolved(text: str, expected: str) -> None:
    assert resolve_model_alias(text) == expected


def test_a_table_of_ones_own_is_instead_of_the_default_one() -> None:
    aliases = {"fast": "openai/gpt-4o-mini", "fast:free": "a/b:free", "chain": "fast"}
    names = ("fast", "fast:nitro", "fast:free", "chain", "gpt-4o")
    resolved = [resolve_model_alias(name, aliases) for name in names]
    # An alias stands for an id, never for another alias.
    assert resolved == ["openai/gpt-4o-mini", "openai/gpt-4o-mini:nitro", "a/b:free", "fast", "gpt-4o"]


@pytest.mark.parametrize("text", ["", " ", "\n"], ids=repr)
def test_an_empty_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="model must not be empty"):
        resolve_model_alias(text)


def test_the_default_table_is_openrouters() -> None:
    assert len(MODEL_ALIASES) == 11
    assert all("/" not in name and "/" in model_id for name, model_id in MODEL_ALIASES.items())
    for url in ("https://openrouter.ai/api/v1", "https://eu.openrouter.ai/api/v1"):
        assert default_aliases(url) is MODEL_ALIASES
    for url in ("http://127.0.0.1:4000/v1", "https://notopenrouter.ai/v1", "https://openrouter.ai.example/v1"):
        assert default_aliases(url) == {}
