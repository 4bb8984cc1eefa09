"""Score a linear support vector machine and the nearest mean on the splits of decoders."""

from typing import Any

from neurospect.arrays.tables import write_table
from neurospect.provenance.job import recorded_job
from neurospect.saliency.baselines import BASELINE_COLUMNS, score_baselines
from neurospect.saliency.decoding_data import read_decoding_data
from neurospect.training.compute import prepare_compute


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        prepare_compute("cpu", snakemake.threads)
        data = read_decoding_data(dict(snakemake.input.items()), snakemake.params.target)
        write_table(snakemake.output.baselines, score_baselines(data), BASELINE_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
