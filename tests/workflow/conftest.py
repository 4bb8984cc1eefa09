"""Copies of the repository in which the workflow runs for real."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from checkout import Checkout, copy_repository


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy in which the workflow has run; shared, so leave it as it was."""
    checkout = copy_repository(tmp_path_factory.mktemp("finished") / "neurospect")
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout
    return checkout


@pytest.fixture
def edited(finished: Checkout) -> Iterator[Checkout]:
    """The finished copy, in which whatever a test changes is put back afterwards."""
    kept = finished.root.with_name("kept")
    shutil.copytree(finished.root, kept, symlinks=True)
    yield finished
    shutil.rmtree(finished.root)
    kept.rename(finished.root)
