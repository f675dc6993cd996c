"""How every property test over damaged files runs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FUZZ = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""The same examples in every run, and no time limit on one: the machine may be shared.

Each example writes its file over the last one's, so one ``tmp_path`` serves all of them.
"""
