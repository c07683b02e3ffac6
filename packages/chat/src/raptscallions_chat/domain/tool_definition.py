"""A tool as its author writes it: YAML with a system prompt, a model and constraints.

::

    name: fractions-tutor
    version: 2
    system: You help pupils of year six with fractions.
    model: openai/gpt-4o-mini
    options: {temperature: 0.3, max_tokens: 800}
    constraints:
      topics: [fractions, decimals]
      no_direct_answers: true
      max_messages: 60
      max_minutes: 45
    functions: [calculator]

`behavior` is accepted for `system`, as the original service calls it. A definition never changes: what is different
gets another version, and a conversation keeps the version that it began with.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

__all__ = ["Constraints", "ToolDefinition", "ToolDefinitionError", "parse_tool"]

MAX_YAML_BYTES = 256 * 1024
_MOST_NESTED = 50
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

_NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"


class ToolDefinitionError(ValueError):
    """A text is not the YAML of a tool; the message says where and why."""


class Constraints(BaseModel):
    """What a conversation with the tool must keep to.

    Attributes:
        topics: What may be talked about; empty for anything.
        no_direct_answers: Whether the model leads to the answer instead of giving it.
        max_messages: The most messages that a user may send in a conversation.
        max_minutes: How long after its first message a conversation takes further ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: tuple[Text, ...] = ()
    no_direct_answers: bool = False
    max_messages: int | None = Field(None, ge=1)
    max_minutes: float | None = Field(None, gt=0)


class ToolDefinition(BaseModel):
    """One version of a tool.

    Attributes:
        name: Its name: small letters, digits, dots, dashes, underscores.
        version: Which one, counted from 1.
        system: The system prompt.
        model: The model to ask; None for the conversation's or the service's own.
        options: Options of each call, such as `temperature`.
        constraints: What a conversation must keep to.
        functions: Names of functions of the service that the model may call.
        description: What a person reads when choosing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(pattern=_NAME)
    version: int = Field(1, ge=1)
    system: Text = Field(validation_alias=AliasChoices("system", "behavior"))
    model: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    constraints: Constraints = Field(default_factory=lambda: Constraints.model_validate({}))
    functions: tuple[Text, ...] = ()
    description: str = ""

    @property
    def system_prompt(self) -> str:
        """The system prompt together with the constraints that only the model can keep."""
        rules: list[str] = []
        if self.constraints.topics:
            rules.append(f"Talk only about these topics: {', '.join(self.constraints.topics)}.")
        if self.constraints.no_direct_answers:
            rules.append("Never give the answer itself: lead to it with questions and hints.")
        return "\n\n".join([self.system, *rules])


def parse_tool(text: str) -> ToolDefinition:
    """Return the tool that a YAML text defines.

    Raises:
        ToolDefinitionError: It is not YAML, too long, or a field is missing, unknown or wrong.
    """
    if len(text.encode()) > MAX_YAML_BYTES:
        raise ToolDefinitionError(f"the YAML of a tool must not be longer than {MAX_YAML_BYTES} bytes")
    try:
        document: object = _load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ToolDefinitionError(f"not valid YAML{_place(error)}") from None
    if not isinstance(document, dict):
        raise ToolDefinitionError("the YAML of a tool must be a mapping with at least name and system")
    try:
        return ToolDefinition.model_validate(cast("dict[str, object]", document))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {_says(each['msg'])}" for each in error.errors()]
        raise ToolDefinitionError("; ".join(problems)) from None


def _load(text: str) -> object:
    """Read YAML that cannot take a machine's memory or time.

    With aliases a short text unfolds into gigabytes, and what is nested deeply takes the square of its length to read.
    """
    depth = 0
    for token in yaml.scan(text, yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.YAMLError("aliases are not allowed")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _MOST_NESTED:
            raise yaml.YAMLError(f"nested more than {_MOST_NESTED} deep")
    return yaml.safe_load(text)


def _place(error: BaseException) -> str:
    mark = getattr(error, "problem_mark", None)
    return f": line {mark.line + 1}, column {mark.column + 1}" if mark is not None else f": {error}"[:200]


def _says(message: str) -> str:
    return message.replace("Input should be", "must be").replace("Extra inputs are not permitted", "is unknown")
