"""Scripts that Redis runs for the wrappers that processes share."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.threads import daemon_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["RedisAwayError", "RedisScript"]

_PATIENCE = 1.0  # seconds for a connection, and for an answer
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0  # seconds between two tries while Redis is away

_log = Log()


class RedisAwayError(Exception):
    """Redis cannot be reached, or does not answer; `retry_in` is the seconds until it is tried again."""

    def __init__(self, retry_in: float) -> None:
        super().__init__("Redis cannot be reached")
        self.retry_in = retry_in


class RedisScript:
    """One script over one key of Redis, which no other command can come between.

    Safe to share between event loops and threads: the client is a blocking one, and each run has a thread.

    Args:
        redis: A URL, such as `redis://localhost:6379/0`, or a `redis.Redis` of your own.
        key: The key.
        lua: The script.

    Raises:
        ImportError: The extra `redis` is not installed.
        ValueError: It is no URL of a Redis.
    """

    def __init__(self, redis: str | Redis, key: str, lua: str) -> None:
        require_extra("redis", "redis", "aiologic")
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._client: Any = redis
        if isinstance(redis, str):
            self._client = cast("Any", Redis).from_url(
                redis,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                health_check_interval=30,
                # A connection that was closed while nobody used it is replaced once.
                retry=Retry(NoBackoff(), 1),
            )
        self._key, self._script = key, self._client.register_script(lua)
        self._away_until = self._pause = 0.0

    async def run(self, arguments: Sequence[str | int | float]) -> list[Any]:
        """Return what the script returns.

        Raises:
            RedisAwayError: Redis cannot be reached; for a while it is not even tried.
        """
        if (left := self._away_until - monotonic()) > 0:
            raise RedisAwayError(left)
        return await daemon_threads().run(lambda: self.run_now(arguments))

    def run_now(self, arguments: Sequence[str | int | float]) -> list[Any]:
        """Return what the script returns, and block until it does.

        Raises:
            RedisAwayError: Redis cannot be reached.
        """
        from redis.exceptions import ConnectionError, RedisError, TimeoutError

        try:
            reply = self._script(keys=[self._key], args=list(arguments))
        except (ConnectionError, TimeoutError) as error:
            raise self._gone(error) from None
        except RedisError as error:
            # It is loading its data, is being replaced, or has no memory left.
            raise self._gone(error) from None
        if self._pause:
            _log.info("Redis is back")
        self._away_until = self._pause = 0.0
        return cast("list[Any]", reply)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _gone(self, error: Exception) -> RedisAwayError:
        if not self._pause:
            _log.warning("Redis cannot be reached (%s); going on with what is left", type(error).__name__)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self._away_until = monotonic() + self._pause
        return RedisAwayError(self._pause)
