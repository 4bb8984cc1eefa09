"""The cluster that the tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_cluster import (
    clear_leftovers,
    foreign_controller,
    local_slurm,
    missing_programs,
    only_one_at_a_time,
)


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """Give the folder of a running cluster; skip where there cannot be one."""
    if missing := missing_programs():
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)} (see `make test-slurm`)")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root")
    with only_one_at_a_time() as alone:
        if not alone:
            pytest.skip("another run of these tests has its cluster up")
        clear_leftovers()
        if (pid := foreign_controller()) is not None:
            pytest.skip(f"a slurmctld is already running (process {pid})")
        with local_slurm() as folder:
            yield folder
