"""The settings of `raptscallions-ai proxy`: from the environment, and the callers from a file beside it.

They say who may spend the key's money, so that no `.env` in a working directory may say it.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from raptscallions_ai._guards.configuration import FILE
from raptscallions_ai._guards.env_file import read_env_file
from raptscallions_ai.errors import ConfigurationError
from raptscallions_ai.proxy.callers import Caller
from raptscallions_ai.wrappers.budget import Budget
from raptscallions_ai.wrappers.limited import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProxySettings"]

_PREFIX = "AI_PROXY_"
_DAY = 86_400.0
_LONGEST_WAIT = 10.0  # seconds for a place within a caller's rates
_HASH = r"^[0-9a-fA-F]{64}$"


def _pairs(value: object) -> object:
    """Read `alice=..., bob=...`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("must be pairs such as alice=<hash>,bob=<hash>; `raptscallions-ai proxy --new-token NAME`")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _models(value: object) -> object:
    """Read `openai/gpt-5, fast=openai/gpt-4o-mini`."""
    if not isinstance(value, str):
        return value
    named = [name.partition("=") for name in value.split(",") if name.strip()]
    return {name.strip(): (id_ or name).strip() for name, _, id_ in named} or None


Hash = Annotated[str, Field(pattern=_HASH)]
Usd = Annotated[Decimal, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Limits(BaseModel):
    """What one caller may use; None for no limit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cost_per_day: Usd | None = Field(
        default=None, description="USD that each caller may spend in 24 hours; empty for no limit"
    )
    requests_per_minute: Count | None = Field(
        default=None, description="requests a minute of each caller; empty for no limit"
    )
    tokens_per_minute: Count | None = Field(
        default=None, description="tokens a minute of each caller; empty for no limit"
    )
    max_concurrency: Count | None = Field(
        default=None, description="answers at the same time of each caller; empty for any"
    )

    def caller(self, name: str, models: list[str] | None, defaults: Limits) -> Caller:
        """Return a caller with these limits, and the others where these say nothing."""
        own = {field: value for field, value in self if value is not None}
        limits = {field: own.get(field, value) for field, value in defaults if field in Limits.model_fields}
        cost = limits.pop("cost_per_day")
        budget = None if cost is None else Budget(cost=cost, window=_DAY)
        limiter = RateLimiter(**limits, max_wait=_LONGEST_WAIT) if any(limits.values()) else None
        return Caller(name, models, budget, limiter)


class CallerEntry(Limits):
    """One caller in the file."""

    token_sha256: Hash
    models: list[str] | None = None

    def own_limits(self) -> Limits:
        """Return its limits."""
        return Limits(**{field: getattr(self, field) for field in Limits.model_fields})


class ProxySettings(Limits):
    """All settings of the command; each field is the environment variable `AI_PROXY_` + its name in capitals.

    Raises:
        ConfigurationError: Something is missing or invalid; the message lists everything that is, and no value.
    """

    callers: Annotated[dict[str, Hash], BeforeValidator(_pairs)] = Field(
        default_factory=dict[str, str],
        description="who may ask, as name=hash pairs separated by commas; hashes are SHA-256 of the tokens",
    )
    callers_file: str | None = Field(
        default=None, description="a TOML file of callers with limits and models of their own"
    )
    models: Annotated[dict[str, str] | None, BeforeValidator(_models)] = Field(
        default=None,
        description="the models that may be asked, or names for them as fast=openai/gpt-4o-mini; empty for any",
    )
    total_cost_per_day: Usd | None = Field(
        default=None, description="USD that all callers together may spend in 24 hours; empty for no limit"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 for any free one")
    audit_file: str | None = Field(
        default=None, description="file that gets one line of JSON for each request, without contents"
    )
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="largest request, in bytes")

    @field_validator("callers")
    @classmethod
    def _check_callers(cls, value: dict[str, str]) -> dict[str, str]:
        if len({hash_.lower() for hash_ in value.values()}) < len(value):
            raise ValueError("must have a token of its own for each caller")
        return value

    @classmethod
    def from_environment(cls, **arguments: Any) -> ProxySettings:
        """Return the settings.

        Args:
            **arguments: Fields of the command line, which win over the environment; None for those not given.

        Raises:
            ConfigurationError: Something is missing or invalid.
        """
        problems = {
            name: f"stands in {FILE}; it is read from the environment only"
            for name in read_env_file(FILE)
            if name.upper().startswith(_PREFIX)
        }
        known = {_PREFIX + field.upper(): field for field in cls.model_fields}
        values: dict[str, Any] = {}
        for name, text in os.environ.items():
            if not name.upper().startswith(_PREFIX):
                continue
            if (field := known.get(name.upper())) is None:
                close = difflib.get_close_matches(name.upper(), known, 1)
                problems[name] = f"is no setting{f' - did you mean {close[0]}?' if close else ''}"
            elif text.strip():
                values[field] = text.strip()
        values |= {field: value for field, value in arguments.items() if value is not None}
        settings: ProxySettings | None = None
        try:
            settings = cls(**values)
        except ValidationError as error:
            problems |= _problems(error, lambda place: _PREFIX + str(place[0]).upper())
        if settings is not None and not settings.callers and not settings.callers_file:
            problems[f"{_PREFIX}CALLERS"] = (
                "is required but not set: who may ask? `raptscallions-ai proxy --new-token alice` makes a token"
            )
        if problems or settings is None:
            raise _invalid("The configuration of the proxy is invalid", problems)
        return settings

    def all_callers(self) -> dict[str, Caller]:
        """Return the callers of the variable and of the file, by the hashes of their tokens.

        Raises:
            ConfigurationError: The file cannot be read, or something in it is invalid.
        """
        found = {hash_.lower(): Limits().caller(name, None, self) for name, hash_ in self.callers.items()}
        for name, entry in self._entries().items():
            hash_ = entry.token_sha256.lower()
            if hash_ in found:
                raise _invalid(f"{self.callers_file} is invalid", {name: "has the token of another caller"})
            found[hash_] = entry.own_limits().caller(name, entry.models, self)
        return found

    def _entries(self) -> dict[str, CallerEntry]:
        if self.callers_file is None:
            return {}
        try:
            document = tomllib.loads(Path(self.callers_file).read_text("utf-8"))
        except (OSError, UnicodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8"
            raise _invalid(
                "The configuration of the proxy is invalid", {f"{_PREFIX}CALLERS_FILE": f"cannot be read: {why}"}
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise _invalid(f"{self.callers_file} is not valid TOML", {"the file": str(error)}) from None
        entries: dict[str, CallerEntry] = {}
        problems: dict[str, str] = {}
        for name, fields in document.items():
            try:
                entries[name] = CallerEntry.model_validate(fields)
            except ValidationError as error:
                problems |= _problems(error, lambda place, name=name: ".".join([name, *map(str, place)]))
        if problems:
            raise _invalid(f"{self.callers_file} is invalid", problems)
        return entries


def _problems(error: ValidationError, name_of: Callable[[tuple[int | str, ...]], str]) -> dict[str, str]:
    """Return what is wrong, by the names of the settings; without values, for they may be tokens."""
    return {name_of(each["loc"]): _reason(each["type"], each["msg"]) for each in error.errors(include_input=False)}


def _reason(kind: str, message: str) -> str:
    if kind == "string_pattern_mismatch":
        return "must be the SHA-256 of a token, 64 hexadecimal digits; `raptscallions-ai proxy --new-token NAME`"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ").replace("Input should be", "must be").replace("Extra inputs are", "is")


def _invalid(what: str, problems: dict[str, str]) -> ConfigurationError:
    listing = "\n".join(f"  {name}: {why}" for name, why in problems.items())
    return ConfigurationError(f"{what}:\n{listing}", details={"variables": problems})
