"""Settings of the chat service, from the environment and `.env`.

Nothing is read at import. What is wrong is told in one `ConfigurationError` that names every bad variable, what it must
be, and no value. A limit of 0 is off.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from raptscallions_ai import ConfigurationError
from raptscallions_chat import settings_checks as checks
from raptscallions_chat.settings_file import read_file, refused_in_file

__all__ = ["AuthMethod", "ChatSettings", "OnBusy", "warn_of_unknown_variables"]

_log = logging.getLogger("raptscallions_chat")

_PREFIX = "CHAT_"
_MIB = 1024 * 1024

AuthMethod = Literal["dev", "token", "jwt", "proxy"]
"""How requests prove who sends them; see `ChatSettings.auth`."""

OnBusy = Literal["reject", "enqueue", "interrupt", "merge"]
"""What becomes of a message that arrives while an answer is being written."""

_OPTIONAL = (
    "redis_url",
    "tools_dir",
    "jwks_url",
    "jwt_issuer",
    "jwt_audience",
    "session_secret",
    "keys",
    "summary_model",
    "title_model",
    "moderation_model",
)

Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.listed)]


class ChatSettings(BaseSettings):
    """All settings of the service; each field is the environment variable `CHAT_` + its name in capitals.

    Raises:
        ConfigurationError: Something is invalid; the message lists everything that is.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=_PREFIX,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        frozen=True,
        validate_default=True,
    )

    # --- where it listens, and what it stands on ---
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any free one")
    role: Literal["all", "web", "worker"] = Field(
        "all", description="what this process does: all, web (requests only) or worker (answers only)"
    )
    database_url: str = Field(
        "sqlite:///chat.db",
        validation_alias=AliasChoices("CHAT_DATABASE_URL", "DATABASE_URL"),
        repr=False,
        description="the database, sqlite:///file or postgresql://user:password@host/name; DATABASE_URL is taken, too",
    )
    pool_size: int = Field(10, ge=1, le=1000, description="connections to PostgreSQL for each process")
    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("CHAT_REDIS_URL", "REDIS_URL"),
        repr=False,
        description="Redis for running answers, redis://host:6379/0; empty for memory; REDIS_URL is taken, too",
    )
    storage_url: str = Field(
        "file:chat-files", description="where attachments are kept: file:folder, relative or file:///absolute"
    )
    tools_dir: str | None = Field(None, description="folder of YAML tools that every tenant may use")

    # --- who may use it ---
    auth: Annotated[tuple[AuthMethod, ...], NoDecode, BeforeValidator(checks.listed)] = Field(
        ("dev",),
        description="how requests are authenticated: dev (loopback only), token, jwt, proxy; several with commas",
    )
    allowed_hosts: Words = Field((), description="host names to answer to; empty for loopback's own on loopback")
    cors_origins: Words = Field((), description="origins of other sites whose pages may call the API")
    jwks_url: str | None = Field(None, description="where the keys of JWTs are published")
    jwt_issuer: str | None = Field(None, description="the issuer that a JWT must name")
    jwt_audience: str | None = Field(None, description="the audience that a JWT must name")
    jwt_tenant_claim: str = Field("tenant", min_length=1, description="the claim with the tenant's name or id")
    jwt_role_claim: str = Field("role", min_length=1, description="the claim with the user's role")
    proxy_user_header: str = Field("X-Forwarded-User", min_length=1, description="the proxy's header with the user")
    proxy_tenant_header: str = Field(
        "X-Forwarded-Tenant", min_length=1, description="the proxy's header with the tenant's name or id"
    )
    proxy_role_header: str = Field("X-Forwarded-Role", min_length=1, description="the proxy's header with the role")
    trusted_proxies: Words = Field(
        ("127.0.0.0/8", "::1/128"), description="networks whose requests may carry the proxy's headers"
    )
    session_secret: SecretStr | None = Field(
        None, description="signs the page's cookies, at least 32 characters; empty for a new one at each start"
    )
    keys: SecretStr | None = Field(
        None, description="keys that encrypt tenants' credentials, as name:base64 of 32 bytes; the first one encrypts"
    )
    allow_shared_key: bool = Field(True, description="whether tenants without a credential use the environment's AI_*")

    # --- limits; 0 is off ---
    max_runs: NonNegativeInt = Field(500, description="answers that one process generates at the same time")
    queue_depth: NonNegativeInt = Field(1000, description="answers that wait for a worker")
    queue_s: NonNegativeFloat = Field(30, description="longest wait for a worker, in seconds")
    runs_per_user: NonNegativeInt = Field(3, description="answers that one user generates at the same time")
    streams_per_user: NonNegativeInt = Field(10, description="streams that one user reads at the same time")
    messages_per_minute: NonNegativeInt = Field(30, description="messages that one user sends in a minute")
    max_message_bytes: NonNegativeInt = Field(256 * 1024, description="largest message, in bytes")
    max_attachment_bytes: NonNegativeInt = Field(20 * _MIB, description="largest attachment, in bytes")

    # --- how answers are generated ---
    on_busy: OnBusy = Field(
        "reject", description="a message during an answer is treated so: reject, enqueue, interrupt or merge"
    )
    on_crash: Literal["interrupt", "continue"] = Field(
        "interrupt", description="an answer whose worker died is left interrupted, or continued"
    )
    flush_ms: int = Field(40, ge=1, le=10_000, description="how often new text is handed to readers, in milliseconds")
    log_ttl_s: int = Field(600, ge=1, description="how long an ended answer's events are kept for readers, in seconds")
    lease_s: float = Field(10, ge=1, description="after so many seconds without a sign of life a worker counts as dead")
    drain_s: NonNegativeFloat = Field(60, description="how long running answers may go on at shutdown, in seconds")
    context_tokens: NonNegativeInt = Field(0, description="largest context to send; 0 for the model's own window")
    summary_model: str | None = Field(None, description="model that sums up what no longer fits; empty for none")
    title_model: str | None = Field(None, description="model that names conversations; empty for their first words")
    moderation_model: str | None = Field(None, description="model that is asked whether a message is allowed")

    # --- what is kept ---
    retention_days: NonNegativeInt = Field(0, description="conversations untouched for so long are deleted")
    log_content: bool = Field(False, description="write messages and answers to the debug log")

    def __init__(self, **values: Any) -> None:
        problem: ConfigurationError | None = None
        refused: dict[str, str] = {}
        try:
            refused = self._refused(values)
            super().__init__(**values)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            problem = _configuration_error(problems, refused)
        except ValueError as error:  # what is wrong with the file
            problem = ConfigurationError(str(error), details={"variables": {}})
        else:
            if refused:
                problem = _configuration_error([], refused)
        if problem is not None:  # raised outside of `except`, without the values, which may hold secrets
            values.clear()
            raise problem

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments, else the environment, else `.env`."""
        return init_settings, env_settings, _FileSource(settings_cls)

    @classmethod
    def _refused(cls, arguments: dict[str, Any]) -> dict[str, str]:
        """Return what stands in `.env` and may not be taken from there."""
        fields = cls.model_fields.items()
        variables = {name: _variables_of(name, field.validation_alias) for name, field in fields}
        defaults = {name: field.default for name, field in fields}
        return refused_in_file(arguments, os.environ, read_file(), variables, defaults)

    @field_validator(*_OPTIONAL, mode="before")
    @classmethod
    def _absent_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str, info: ValidationInfo) -> str:
        return checks.database_url(value, one_process=info.data.get("role") in ("all", None))

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        return checks.redis_url(value, needed=info.data.get("role") in ("web", "worker"))

    @field_validator("storage_url")
    @classmethod
    def _check_storage_url(cls, value: str) -> str:
        return checks.storage_url(value)

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, value: tuple[AuthMethod, ...], info: ValidationInfo) -> tuple[AuthMethod, ...]:
        return checks.auth(value, host=info.data.get("host"))

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checks.origins(value)

    @field_validator("jwks_url")
    @classmethod
    def _check_jwks_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        return checks.jwks_url(value, needed="jwt" in info.data.get("auth", ()))

    @field_validator("jwt_audience")
    @classmethod
    def _check_audience(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and "jwt" in info.data.get("auth", ()):
            raise ValueError("is required with CHAT_AUTH=jwt, or tokens made for other services would be taken")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checks.networks(value)

    @field_validator("session_secret")
    @classmethod
    def _check_session_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            checks.keys(value.get_secret_value())
        return value

    @property
    def is_embedded(self) -> bool:
        """Whether everything is in this process: SQLite and memory."""
        return self.database_url.startswith("sqlite") and self.redis_url is None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return checks.is_loopback(self.host)

    @classmethod
    def explicit(cls, **values: Any) -> ChatSettings:
        """Return settings of the given values and the defaults, without reading the environment or `.env`.

        Raises:
            ConfigurationError: A value is invalid.
        """
        return _ExplicitSettings(**values)


class _FileSource(DotEnvSettingsSource):
    """`.env`, read as `read_file` does: a value names no other variables, or a stranger's file could send them away."""

    def _read_env_files(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in read_file().items()}


class _ExplicitSettings(ChatSettings):
    @classmethod
    def _refused(cls, arguments: dict[str, Any]) -> dict[str, str]:
        return {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the arguments and nothing else."""
        return (init_settings,)


def unknown_variables() -> dict[str, str | None]:
    """Return the `CHAT_*` variables, of the environment and of `.env`, that are no setting.

    Each comes with the setting that was probably meant, or None.
    """
    try:
        given = {*os.environ, *read_file()}
    except ValueError:  # what is wrong with the file is told by whoever needs what is in it
        given = {*os.environ}
    known = {_PREFIX + name.upper() for name in ChatSettings.model_fields}
    unknown = sorted(name for name in given - known if name.upper().startswith(_PREFIX))
    near = {name: difflib.get_close_matches(name.upper(), known, 1, cutoff=0.75) for name in unknown}
    return {name: matches[0] if matches else None for name, matches in near.items()}


def warn_of_unknown_variables() -> None:
    """Log a warning for each `CHAT_*` variable that is no setting, with the one that was probably meant."""
    for written, meant in unknown_variables().items():
        hint = f"; did you mean {meant}?" if meant else ""
        _log.warning("environment variable %s is not a setting and has no effect%s", written, hint)


def _variables_of(field: str, alias: object) -> tuple[str, ...]:
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (_PREFIX + field.upper(),)


def _configuration_error(problems: list[ErrorDetails], refused: dict[str, str]) -> ConfigurationError:
    lines = dict(refused)
    for problem in problems:
        name = str(problem["loc"][0]).upper()
        lines.setdefault(name if name.startswith(_PREFIX) else _PREFIX + name, _says(problem))
    for written, meant in unknown_variables().items():
        if meant:
            lines[written] = f"is set, but it is not a setting - did you mean {meant}?"
    listing = "\n".join(f"  {variable}: {says}" for variable, says in lines.items())
    return ConfigurationError(f"The chat configuration is invalid:\n{listing}", details={"variables": lines})


def _says(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    if problem["type"].startswith("bool"):
        return "must be true or false"
    if problem["type"].startswith(("int", "float")) and "parsing" in problem["type"]:
        return "must be a number"
    return problem["msg"].replace("Input should be", "must be")
