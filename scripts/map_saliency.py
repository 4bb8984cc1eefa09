"""Make saliency maps of a decoder, and hold them against what is known of the classes."""

from typing import Any

from neurospect.arrays.labelled import write_datatree
from neurospect.arrays.tables import read_table, write_table
from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_maps import decoder_maps, temperature_for
from neurospect.saliency.decoders import Decoder, read_decoder
from neurospect.saliency.decoding_data import read_decoding_data
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
        data = read_decoding_data(dict(inputs.items()), params.target)
        fitted = read_table(inputs.temperature, text=["at_bound"])
        made = decoder_maps(
            read_decoder(inputs.model, data, Decoder(**params.decoder), device),
            data,
            map_targets(data, params.templates, space=inputs.get("space"), mask=inputs.get("mask")),
            params.methods,
            device=device,
            temperature=temperature_for(params.temperature, fitted),
            of=params.gradient_of,
            array=params.array,
        )
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_datatree(output.maps, made.tree)
        for path, table, columns in (
            (output.criteria, made.criteria, CRITERIA_COLUMNS),
            (output.undefined, undefined_counts(made.criteria), UNDEFINED_COLUMNS),
        ):
            write_table(path, table.assign(**whose)[list(columns)], columns)


if "snakemake" in globals():
    main(globals()["snakemake"])
