"""`@tool`: the schema that a model is told, the check of what it sends, and the run."""

from __future__ import annotations

import asyncio
import enum
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import AfterValidator, BaseModel, Field

from raptscallions_ai import Tool, ToolError, tool
from raptscallions_ai._dialects.request import build_request
from raptscallions_ai.errors import CallbackError
from raptscallions_ai.tools.tool import tools_to_wire

pytestmark = pytest.mark.requirement("E04-T005.AC3")

REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="none")


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(BaseModel):
    name: str
    height: float = 0


@tool
def forecast(
    city: str,
    days: int = 3,
    *,
    unit: Unit = Unit.CELSIUS,
    kind: Literal["rain", "sun"] | None = None,
    since: date | None = None,
    places: Annotated[list[Place], Field(description="Places nearby.", max_length=2)] = [],  # noqa: B006 - never changed
) -> str:
    """Tell the weather of the next days.

    It is only a guess.

    Args:
        city: Name of the city,
            as the people there call it.
        days (int): How many.
        places: Not used, for the hint has a text.

    Returns:
        A sentence.
    """
    return f"{city} {days} {unit} {kind} {since!r} {places}"


def test_the_schema_comes_from_the_hints_and_the_texts_from_the_docstring() -> None:
    wire = forecast.to_dict()
    assert wire["type"] == "function"
    assert wire["function"]["name"] == "forecast"
    assert wire["function"]["description"] == "Tell the weather of the next days.\n\nIt is only a guess."
    parameters = wire["function"]["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["city"]
    assert parameters["additionalProperties"] is False
    assert list(parameters["properties"]) == ["city", "days", "unit", "kind", "since", "places"]
    assert parameters["properties"]["city"] == {
        "type": "string",
        "description": "Name of the city, as the people there call it.",
    }
    assert parameters["properties"]["days"] == {"type": "integer", "description": "How many.", "default": 3}
    assert parameters["properties"]["unit"] == {"$ref": "#/$defs/Unit", "default": "c"}
    assert parameters["properties"]["kind"]["anyOf"][0]["enum"] == ["rain", "sun"]
    assert parameters["properties"]["since"]["anyOf"][0] == {"type": "string", "format": "date"}
    assert parameters["properties"]["places"]["description"] == "Places nearby."
    assert parameters["properties"]["places"]["maxItems"] == 2
    assert parameters["$defs"]["Place"]["required"] == ["name"]
    assert json.loads(json.dumps(wire)) == wire


def test_a_tool_is_still_the_function() -> None:
    assert forecast("Rome", 1) == "Rome 1 Unit.CELSIUS None None []"
    assert repr(forecast) == "Tool('forecast')"


async def test_arguments_are_validated_and_converted() -> None:
    sent = '{"city": "Rome", "days": "2", "unit": "f", "since": "2026-01-31", "places": [{"name": "Ostia"}]}'
    assert forecast.validate(sent) == {
        "city": "Rome",
        "days": 2,
        "unit": Unit.FAHRENHEIT,
        "since": date(2026, 1, 31),
        "places": [Place(name="Ostia")],
    }
    assert (await forecast.run(sent)).startswith("Rome 2 Unit.FAHRENHEIT None datetime.date(2026, 1, 31)")
    assert (await forecast.run({"city": "Rome"})).startswith("Rome 3")


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("{}", "invalid arguments: city: Field required"),
        ("", "invalid arguments: city: Field required"),
        ('{"city": "secret", "days": "secret"}', "days: Input should be a valid integer"),
        ('{"city": "secret", "zip": "secret"}', "zip: Extra inputs are not permitted"),
        ('{"city": "secret", "unit": "secret"}', "unit: Input should be 'c' or 'f'"),
        ('{"city": "secret", "places": [{}]}', "places.0.name: Field required"),
        ('{"city": "secret', "invalid arguments: Invalid JSON"),
        ('["secret"]', "invalid arguments: Input should be an object"),
        ('"secret"', "invalid arguments: Input should be an object"),
        ('{"a":' * 5000, "invalid arguments: Invalid JSON: recursion limit"),
    ],
    ids=lambda value: value[:30],
)
async def test_what_does_not_fit_is_reported_without_the_values(sent: str, problem: str) -> None:
    with pytest.raises(ToolError) as caught:
        await forecast.run(sent)
    assert problem in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_many_problems_are_not_all_told() -> None:
    with pytest.raises(ToolError) as caught:
        await forecast.run({"city": "x", **{str(number): 1 for number in range(1000)}})
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    "docstring",
    [
        "Add.\n\nArgs:\n    one: The first.\n",
        "Add.\n\nParameters\n----------\none : int\n    The first.\n",
        "Add.\n\n:param one: The first.\n:returns: the sum\n",
    ],
    ids=["google", "numpy", "rest"],
)
def test_styles_of_docstrings(docstring: str) -> None:
    def function(one: int) -> int:
        return one

    function.__doc__ = docstring
    made = tool(function)
    assert made.description == "Add."
    assert made.parameters["properties"]["one"]["description"] == "The first."


def test_without_a_docstring_there_is_no_description() -> None:
    @tool
    def nothing() -> None:
        raise NotImplementedError

    assert nothing.description == ""
    assert nothing.to_dict() == {
        "type": "function",
        "function": {
            "name": "nothing",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    }


def test_name_and_description_can_be_given() -> None:
    @tool(name="web-search_2", description="Look it up.", timeout=5, needs_approval=True)
    def search(query: str) -> str:
        """Not this."""
        return query

    assert (search.name, search.description, search.timeout, search.needs_approval) == (
        "web-search_2",
        "Look it up.",
        5,
        True,
    )
    assert search("x") == "x"


def test_names_of_pydantics_own_are_names_like_others() -> None:
    def function(schema: str, json: int, model_config: bool, copy: str = "x", _private: int = 1) -> None:
        raise NotImplementedError

    made = tool(function)
    assert list(made.parameters["properties"]) == ["schema", "json", "model_config", "copy", "_private"]
    assert made.validate('{"schema": "s", "json": 1, "model_config": true}') == {
        "schema": "s",
        "json": 1,
        "model_config": True,
    }


def test_a_default_that_is_no_json_stays_untold() -> None:
    marker = object()

    def function(what: Any = marker, price: Decimal = Decimal("1.5")) -> object:
        return what

    made = tool(function)
    assert "default" not in made.parameters["properties"]["what"]
    assert made.parameters["properties"]["price"]["default"] == "1.5"
    assert made.validate("{}") == {}
    assert made() is marker


class Shop:
    def __init__(self) -> None:
        self.sold: list[str] = []

    async def sell(self, thing: str) -> int:
        """Sell a thing."""
        self.sold.append(thing)
        return len(self.sold)


async def test_a_bound_method_is_a_tool() -> None:
    shop = Shop()
    sell = tool(shop.sell)
    assert sell.description == "Sell a thing."
    assert await sell.run('{"thing": "hat"}') == 1
    assert shop.sold == ["hat"]


def untyped(city) -> None:  # pyright: ignore # noqa: PGH003 - the mistake that is tested
    raise NotImplementedError


def positional(city: str, /) -> None:
    raise NotImplementedError


def many(*cities: str) -> None:
    raise NotImplementedError


def keywords(**cities: str) -> None:
    raise NotImplementedError


def field_default(city: str = Field(description="x")) -> None:
    raise NotImplementedError


def unknown_type(city: Nowhere) -> None:  # pyright: ignore # noqa: F821, PGH003 - the mistake that is tested
    raise NotImplementedError


def without_schema(city: threading.Lock) -> None:
    raise NotImplementedError


def function_type(city: Callable[[int], str]) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (cast("Any", untyped), "parameter 'city' of tool 'untyped' has no type hint"),
        (Shop.sell, r"parameter 'self' .* tool\(instance.method\)"),
        (positional, "cannot be passed by keyword"),
        (many, "cannot be passed by keyword"),
        (keywords, "cannot be passed by keyword"),
        (field_default, r"into Annotated"),
        (cast("Any", unknown_type), "name 'Nowhere' is not defined"),
        (without_schema, "tool 'without_schema': a type hint has no JSON schema"),
        (function_type, "tool 'function_type': a type hint has no JSON schema"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_refused_before_anything_is_sent(
    function: Callable[..., Any], problem: str
) -> None:
    made = tool(function)
    with pytest.raises(TypeError, match=problem):
        build_request("Hi", model="m", options={"tools": [made]})


async def stream_of_results() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "problem"),
    [(Shop, "not from type"), (stream_of_results, "generator"), (generator, "generator"), (5, "not from int")],
)
def test_what_is_no_function_is_no_tool(function: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        tool(function)


@pytest.mark.parametrize("name", ["", "with space", "x" * 65, "é", "a.b", "a\n"])
def test_a_name_that_cannot_be_sent(name: str) -> None:
    with pytest.raises(ValueError, match="a tool's name must be 1 to 64 of"):
        Tool(positional, name=name)
    assert Tool(positional, name="x" * 64).name == "x" * 64


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_positive(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be more than 0 seconds"):
        tool(timeout=timeout)(positional)


def test_a_return_type_need_not_be_found() -> None:
    def function(city: str) -> Nowhere:  # pyright: ignore # noqa: F821, PGH003 - the point of the test
        raise NotImplementedError

    assert list(tool(function).parameters["properties"]) == ["city"]  # pyright: ignore[reportUnknownArgumentType] - as above


# What is sent


def test_tools_and_dicts_are_sent_alike() -> None:
    flat = {"name": "flat", "description": "d", "parameters": {"type": "object"}}
    server: dict[str, Any] = {"type": "openrouter:web_search", "parameters": {}}
    request = build_request("Hi", model="m", options={"tools": [forecast, forecast.to_dict(), flat, server]})
    sent = json.loads(request.body)["tools"]
    assert sent[0] == sent[1] == forecast.to_dict()
    assert sent[2] == {"type": "function", "function": flat}
    assert sent[3] == server


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        (forecast, "must be a list of tools and functions, not Tool"),
        ("forecast", "must be a list of tools and functions, not str"),
        ([positional], "cannot be passed by keyword"),
        ([5], "tools must hold functions, Tools and dicts, not int"),
    ],
)
def test_what_is_no_list_of_tools(tools: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        tools_to_wire(tools)


async def test_a_schema_of_ones_own() -> None:
    async def ask(**arguments: Any) -> Any:
        return arguments

    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    made = Tool.from_schema("read-file", "Read a file.", schema, ask, timeout=3)
    assert made.to_dict() == {
        "type": "function",
        "function": {"name": "read-file", "description": "Read a file.", "parameters": schema},
    }
    assert await made.run('{"path": "x", "from": 1}') == {"path": "x", "from": 1}
    assert await made.run("") == {}
    for text in ("[1]", '{"path'):
        with pytest.raises(ToolError, match="not a JSON object"):
            await made.run(text)
    bare = Tool.from_schema("bare", None, schema, ask)
    assert "description" not in bare.to_dict()["function"]


# Running


async def test_a_plain_function_runs_in_a_thread_with_the_callers_context() -> None:
    @tool
    def where() -> tuple[str, bool]:
        return REQUEST_ID.get(), threading.current_thread() is threading.main_thread()

    REQUEST_ID.set("r-1")
    request_id, in_main_thread = await where.run()
    assert request_id == "r-1"
    assert in_main_thread is False


async def test_an_async_function_runs_in_the_loop() -> None:
    @tool
    async def where() -> object:
        return asyncio.get_running_loop()

    assert await where.run() is asyncio.get_running_loop()


async def test_what_a_plain_function_promises_is_awaited() -> None:
    async def later() -> int:
        return 5

    @tool
    def soon() -> Any:
        return later()

    assert await soon.run() == 5


async def test_the_tools_own_timeout_is_a_tool_error() -> None:
    cancelled = asyncio.Event()

    @tool(timeout=0.01)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ToolError, match=r"slow took longer than 0.01 seconds"):
        await slow.run()
    assert cancelled.is_set()


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("of its own"), ToolError("no such city")])
async def test_what_a_function_raises_comes_through(error: Exception) -> None:
    @tool(timeout=60)
    async def failing() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await failing.run()
    assert caught.value is error


async def test_stop_iteration_in_a_thread_ends() -> None:
    @tool
    def exhausted() -> int:
        empty: Iterator[int] = iter(())
        return next(empty)

    with pytest.raises(CallbackError, match="StopIteration"):
        await exhausted.run()


def even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


def halve(number: Annotated[int, AfterValidator(even)]) -> int:
    return number // 2


def test_a_validator_of_ones_own() -> None:
    assert tool(halve).validate('{"number": 2}') == {"number": 2}
    with pytest.raises(ToolError, match="number: Value error, must be even"):
        tool(halve).validate('{"number": 3}')
