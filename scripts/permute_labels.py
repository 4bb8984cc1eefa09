"""Spectral differences between two groups, as observed and under permuted labels."""

from typing import Any

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.provenance.job import recorded_job
from neurospect.spectra.label_permutation import permuted_differences
from neurospect.training.compute import prepare_compute


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        prepare_compute("cpu", snakemake.threads)
        differences = permuted_differences(
            read_datatree(snakemake.input.blocks),
            snakemake.params.groups,
            permutations=snakemake.params.permutations,
            seed=snakemake.params.seed,
            alpha=snakemake.params.alpha,
        )
        write_datatree(snakemake.output.differences, differences)


if "snakemake" in globals():
    main(globals()["snakemake"])
