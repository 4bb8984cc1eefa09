"""Test the mean maps of a decoder against the templates of the classes."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_files import write_decoder_table
from neurospect.saliency.mean_map_tests import MEAN_MAP_COLUMNS, mean_map_tests


def main(snakemake: Any) -> None:
    params = snakemake.params
    with recorded_job(snakemake):
        maps = read_datatree(snakemake.input.maps)
        table = mean_map_tests(maps, surrogates=params.surrogates, seed=params.phase_seed)
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_decoder_table(snakemake.output.tests, table, MEAN_MAP_COLUMNS, **whose)


if "snakemake" in globals():
    main(globals()["snakemake"])
