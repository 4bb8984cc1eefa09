"""Show the chain of jobs and files from a figure back to raw data."""

from typing import Any

from neurospect.arrays.atomic import write_text
from neurospect.figures.preview import preview
from neurospect.provenance.chain_page import Lengths
from neurospect.provenance.job import recorded_job
from neurospect.provenance.trace import chain_html, trace


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        figure = snakemake.input.figure
        write_text(snakemake.output.chain, chain_html(trace(figure), preview(figure), Lengths()))


if "snakemake" in globals():
    main(globals()["snakemake"])
