"""Make saliency maps of a decoder, and hold them against what is known of the classes."""

from typing import Any

from neurospect.arrays.labelled import write_datatree
from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_files import read_decoder_files, write_decoder_table
from neurospect.saliency.decoder_maps import decoder_maps
from neurospect.saliency.decoders import Decoder
from neurospect.saliency.judged_maps import (
    CRITERIA_COLUMNS,
    UNDEFINED_COLUMNS,
    undefined_counts,
)
from neurospect.saliency.map_targets import map_targets
from neurospect.training.compute import prepare_compute


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake):
        device = prepare_compute(params.device, snakemake.threads)
        decoder = Decoder(**params.decoder)
        found = read_decoder_files(
            dict(inputs.items()), params.target, decoder, params.temperature, device
        )
        made = decoder_maps(
            found.model,
            found.data,
            map_targets(
                found.data, params.templates, space=inputs.get("space"), mask=inputs.get("mask")
            ),
            params.methods,
            device=device,
            temperature=found.temperature,
            of=params.gradient_of,
            array=params.array,
        )
        counts = undefined_counts(made.criteria)
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_datatree(output.maps, made.tree)
        write_decoder_table(output.criteria, made.criteria, CRITERIA_COLUMNS, **whose)
        write_decoder_table(output.undefined, counts, UNDEFINED_COLUMNS, **whose)


if "snakemake" in globals():
    main(globals()["snakemake"])
