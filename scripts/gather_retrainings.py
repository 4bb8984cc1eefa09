"""Put trainings under permuted labels where the relabelings of one training were."""

from typing import Any

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.provenance.job import recorded_job
from neurospect.spectra.retraining import gather_retrainings
from neurospect.training.compute import prepare_compute


def main(snakemake: Any) -> None:
    files = snakemake.input
    with recorded_job(snakemake):
        prepare_compute("cpu", snakemake.threads)
        differences = gather_retrainings(
            read_datatree(files.differences),
            read_datatree(files.blocks),
            [read_datatree(path) for path in files.retrainings],
        )
        write_datatree(snakemake.output.differences, differences)


if "snakemake" in globals():
    main(globals()["snakemake"])
