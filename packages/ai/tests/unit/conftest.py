"""What the unit tests share: a quick hypothesis profile."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    # The fixture that every test gets cleans the environment; once a test is enough.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("quick")
