"""Settings from the environment.

Nothing is read at import: the environment and `.env` are read when a client that needs them is built, or by
`get_settings`. All mistakes are reported in one `ConfigurationError` that names every bad variable and no value.
"""

from __future__ import annotations

import difflib
import functools
import os
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from raptscallions_ai._guards.configuration import FILE, TRUST_VARIABLE, Given, given_values
from raptscallions_ai._guards.env_file import read_env_file
from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.urls import url_problem
from raptscallions_ai.errors import ConfigurationError
from raptscallions_ai.options.call_options import OnInterrupt
from raptscallions_ai.options.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

    from raptscallions_ai.options.setting_values import SettingValues

__all__ = ["AiSettings", "chosen_engine", "get_settings", "reset_settings"]

_log = Log()

_MIB = 1024 * 1024
_LONGEST_MS = 2**31 - 1  # 24 days
# What a `.env` may say although the key is not from it: nothing of where the key goes and of what is shown.
_HARMLESS = frozenset(
    {
        "engine",
        "default_model",
        "request_timeout_ms",
        "connect_timeout_ms",
        "total_timeout_ms",
        "max_retries",
        "on_interrupt",
        "fallback_models",
        "fallback_cooldown_ms",
        "model_aliases",
        "app_url",
        "app_title",
        "require_usage",
        "max_event_bytes",
    }
)
_ARGUMENTS = {"AI_GATEWAY_URL": "base_url", "AI_API_KEY": "api_key", "AI_DEFAULT_MODEL": "default_model"}


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _listed(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _paired(value: object) -> object:
    """Read `fast=openai/gpt-4o-mini, smart=openai/gpt-5`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("must be pairs such as fast=openai/gpt-4o-mini, separated by commas")
    return {name.strip(): model_id.strip() for name, _, model_id in pairs} or None


OptionalMs = Annotated[int | None, BeforeValidator(_absent_if_empty)]


class AiSettings(BaseSettings):
    """All settings of the AI gateway client; each field is the environment variable `AI_` + its name in capitals.

    Raises:
        ConfigurationError: Something is missing or invalid; the message lists everything that is.
        TypeError: There is no such setting.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="AI_",
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        frozen=True,
    )

    # Before gateway_url, whose check depends on it.
    allow_insecure: bool = Field(False, description="allow plain http to a host that is not this machine")
    gateway_url: str = Field("https://openrouter.ai/api/v1", description="base URL of the gateway")
    api_key: SecretStr = Field(
        validation_alias=AliasChoices("AI_API_KEY", "OPENROUTER_API_KEY"),
        description="the gateway's key; OPENROUTER_API_KEY is accepted too",
    )
    engine: str = Field(
        "openrouter",
        description="who is asked by `get_provider()` and the command line: an engine or a host by its name",
    )
    default_model: str = Field("anthropic/claude-sonnet-4-20250514", description="default model")
    request_timeout_ms: int = Field(
        120_000,
        gt=0,
        le=_LONGEST_MS,
        description="longest wait for the first content, and for each next one, in milliseconds",
    )
    connect_timeout_ms: int = Field(
        10_000, gt=0, le=_LONGEST_MS, description="longest wait for a connection, in milliseconds"
    )
    total_timeout_ms: OptionalMs = Field(
        None, gt=0, le=_LONGEST_MS, description="longest duration of a whole call, in milliseconds; empty for none"
    )
    max_retries: int = Field(2, ge=0, le=5, description="further attempts after a failure that may pass, 0 to 5")
    on_interrupt: OnInterrupt = Field(
        "fail", description="what to do when an answer breaks off: fail, restart or continue"
    )
    fallback_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description="models to ask in order when the first one fails or is silent, separated by commas"
    )
    fallback_cooldown_ms: int = Field(
        5_000, gt=0, le=_LONGEST_MS, description="rest of a model that failed three calls in a row, in milliseconds"
    )
    model_aliases: Annotated[dict[str, str] | None, NoDecode, BeforeValidator(_paired)] = Field(
        None,
        description="short names of models, as name=id pairs separated by commas; empty for those that fit the gateway",
    )
    app_url: str | None = Field(None, description="your app's URL, for the gateway's attribution (HTTP-Referer)")
    app_title: str | None = Field(None, description="your app's name, for the gateway's attribution")
    require_usage: bool = Field(True, description="whether an answer without usage is an error")
    max_event_bytes: int = Field(64 * _MIB, ge=1024, description="largest single event or body, in bytes")
    log_content: bool = Field(False, description="write prompts and answers to the debug log")

    def __init__(self, **values: Unpack[SettingValues]) -> None:
        problem: ConfigurationError | None = None
        given: Given | None = None
        arguments = _known(cast("dict[str, Any]", values))
        try:
            given = self._given(arguments)
            arguments.clear()
            super().__init__(**given.values)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            misspelt = {} if isinstance(self, _ExplicitSettings) else misspelt_variables()
            problem = _configuration_error(problems, given.refused if given else {}, misspelt)
        except ConfigurationError as error:
            problem = error
        else:
            if given.refused:
                problem = _configuration_error([], given.refused, {})
        if problem is not None:  # raised outside of `except` and without the values, which may hold the key
            given = None
            arguments.clear()
            raise problem.without_traceback()

    @classmethod
    def _given(cls, arguments: dict[str, Any]) -> Given:
        return _read(arguments)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `_given` found, and nothing else."""
        return (init_settings,)

    @field_validator("default_model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value.strip()

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if not key:
            raise ValueError("must not be empty")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("must not contain spaces, control characters or letters beyond ASCII")
        return SecretStr(key)

    @field_validator("model_aliases")
    @classmethod
    def _check_aliases(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is None or all(name and "/" not in name and model_id.strip() for name, model_id in value.items()):
            return value
        raise ValueError("must have names without a slash, and ids that are not empty")

    @field_validator("app_url", "app_title")
    @classmethod
    def _check_header(cls, value: str | None) -> str | None:
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError("must be printable ASCII, because it is sent as a header")
        return value or None

    @field_validator("gateway_url")
    @classmethod
    def _check_url(cls, value: str, info: ValidationInfo) -> str:
        if problem := url_problem(value, allow_insecure=info.data.get("allow_insecure") is True):
            raise ValueError(problem)
        return value.rstrip("/")

    @property
    def timeouts(self) -> Timeouts:
        """The deadlines that these settings ask for."""
        content = self.request_timeout_ms / 1000
        total = None if self.total_timeout_ms is None else self.total_timeout_ms / 1000
        return Timeouts(connect=self.connect_timeout_ms / 1000, first_chunk=content, idle=content, total=total)

    @classmethod
    def explicit(cls, **values: Unpack[SettingValues]) -> AiSettings:
        """Return settings of the given values and the defaults, without reading the environment or `.env`.

        Raises:
            ConfigurationError: A value is missing or invalid.
        """
        problem: ConfigurationError | None = None
        arguments = cast("dict[str, Any]", values)
        try:
            return _ExplicitSettings(**arguments)
        except ConfigurationError as error:
            problem = error
        arguments.clear()
        raise problem.without_traceback()


class _ExplicitSettings(AiSettings):
    @classmethod
    def _given(cls, arguments: dict[str, Any]) -> Given:
        return Given({**arguments}, {}, {})


@functools.cache
def get_settings() -> AiSettings:
    """Return the environment's settings, read once and then remembered.

    Raises:
        ConfigurationError: Something is missing or invalid; the next call reads again.
    """
    return AiSettings()


def reset_settings() -> None:
    """Forget the remembered settings, so that the next `get_settings` reads the environment again."""
    get_settings.cache_clear()


def setting_sources() -> dict[str, str]:
    """Return where each setting that is given is from, by field: `NAME in the environment` or `NAME in .env`.

    Raises:
        ConfigurationError: `.env` cannot be read.
    """
    return _read({}).sources


def source_of(variables: tuple[str, ...]) -> str | None:
    """Return where the first of these variables that says something is from; None if none does.

    Raises:
        ConfigurationError: `.env` cannot be read.
    """
    for place, values in (("the environment", os.environ), (FILE, read_env_file(FILE))):
        if name := next((name for name in variables if values.get(name, "").strip()), None):
            return f"{name} in {place}"
    return None


def chosen_engine() -> tuple[str, dict[str, Any]]:
    """Return the name in `AI_ENGINE`, and what the environment says of that engine's models: the options of its client.

    Raises:
        ConfigurationError: `.env` cannot be read.
    """
    given = _read({}).values
    options: dict[str, Any] = {}
    if model := str(given.get("default_model", "")).strip():
        options["model"] = model
    if fallbacks := _listed(given.get("fallback_models")):
        options["fallback_models"] = fallbacks
    return str(given.get("engine", "")).strip() or AiSettings.model_fields["engine"].default, options


def misspelt_variables() -> dict[str, str]:
    """Return variables, of the environment and of `.env`, that look like a setting with a typing error.

    Each comes with the setting that was probably meant.
    """
    given = {*os.environ, *_names_in_dotenv()}
    settings = {name for field in AiSettings.model_fields for name in _variables_of(field)}
    known = settings | {"AI_LOCAL_CACHE_DIR", TRUST_VARIABLE}
    others = tuple(name for name in given - known if not name.upper().startswith("AI_PROXY_"))  # `proxy` checks its own
    suspects = [name for name in others if name.upper().startswith(("AI_", "OPENROUTER_"))]
    close = {name: difflib.get_close_matches(name.upper(), known - given, 1, cutoff=0.8) for name in sorted(suspects)}
    return {name: matches[0] for name, matches in close.items() if matches}


def _names_in_dotenv() -> Iterable[str]:
    try:
        return read_env_file(FILE)
    except ConfigurationError:  # reported when a value from the file is needed
        return ()


def warn_of_misspelt_variables() -> None:
    """Log a warning for each environment variable that looks like a setting with a typing error."""
    for written, meant in misspelt_variables().items():
        _log.warning("environment variable %s is not a setting and has no effect; did you mean %s?", written, meant)


def _configuration_error(
    problems: list[ErrorDetails], refused: dict[str, str], misspelt: dict[str, str]
) -> ConfigurationError:
    lines: dict[str, str] = {**refused}
    for problem in problems:
        variable = _variable(str(problem["loc"][0]))
        message = _message(problem, variable)
        argument = _ARGUMENTS.get(variable)
        lines[variable] = f"{message} (argument {argument}=)" if argument and problem["type"] == "missing" else message
    for written, meant in misspelt.items():
        hint = f"is set, but it is not a setting - did you mean {meant}?"
        lines[written] = hint
    listing = "\n".join(f"  {variable}: {message}" for variable, message in lines.items())
    return ConfigurationError(f"The AI gateway configuration is invalid:\n{listing}", details={"variables": lines})


def _known(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, of which each is a setting, by its field or its variable.

    Raises:
        TypeError: There is no such setting.
    """
    variables = [name for field in AiSettings.model_fields for name in _variables_of(field)]
    if unknown := arguments.keys() - {*AiSettings.model_fields, *variables}:
        name = min(unknown)
        near = difflib.get_close_matches(name.lower().removeprefix("ai_"), AiSettings.model_fields, 1)
        arguments.clear()
        raise TypeError(f"there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return arguments


def _read(arguments: Mapping[str, Any]) -> Given:
    fields = AiSettings.model_fields
    return given_values(
        arguments,
        os.environ,
        read_env_file(FILE),
        variables={name: _variables_of(name) for name in fields},
        defaults={name: info.default for name, info in fields.items()},
        harmless=_HARMLESS,
    )


def _variables_of(field: str) -> tuple[str, ...]:
    alias = AiSettings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return ("AI_" + field.upper(),)


def _variable(field: str) -> str:
    return field if field.isupper() else "AI_" + field.upper()


def _message(problem: ErrorDetails, variable: str) -> str:
    if problem["type"] == "missing":
        return "is required but not set"
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    if problem["type"].startswith("bool"):
        return "must be true or false"
    if variable == "AI_MAX_RETRIES":
        return "must be a whole number from 0 to 5"
    if variable == "AI_ON_INTERRUPT":
        return "must be fail, restart or continue"
    if variable.endswith("_MS"):
        return f"must be a whole number of milliseconds, from 1 to {_LONGEST_MS}"
    return problem["msg"].replace("Input should be", "must be")
