"""What all tests share: copies of the repository, and patience with slow machines."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from checkout import Checkout, copy_repository

# Property tests judge what is computed, never how long it takes.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    # nilearn collects garbage with every image that it reads: what all tests have imported and
    # collected by now need not be searched each time.
    gc.collect()
    gc.freeze()


@pytest.fixture
def fresh_checkout(tmp_path: Path) -> Checkout:
    """A copy of the repository in which nothing has run."""
    return copy_repository(tmp_path / "neurospect")
