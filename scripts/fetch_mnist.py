"""Fetch full MNIST as the four IDX files."""

from pathlib import Path
from typing import Any

from neurospect.cohorts.mnist import fetch_mnist
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        fetch_mnist(Path(snakemake.output.files[0]).parent)


if "snakemake" in globals():
    main(globals()["snakemake"])
