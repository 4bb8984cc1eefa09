"""Judge the gradient of a decoder over a range of temperatures."""

from typing import Any

from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_files import read_decoder_files, write_decoder_table
from neurospect.saliency.decoders import Decoder
from neurospect.saliency.map_targets import map_targets
from neurospect.saliency.temperature_range import RANGE_COLUMNS, criteria_over_temperatures
from neurospect.training.compute import prepare_compute


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake):
        device = prepare_compute(params.device, snakemake.threads)
        decoder = Decoder(**params.decoder)
        found = read_decoder_files(dict(inputs.items()), params.target, decoder, 1.0, device)
        table = criteria_over_temperatures(
            found.model,
            found.data,
            map_targets(
                found.data, params.templates, space=inputs.get("space"), mask=inputs.get("mask")
            ),
            params.temperatures,
            device=device,
            of=params.gradient_of,
        )
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_decoder_table(output.temperatures, table, RANGE_COLUMNS, **whose)


if "snakemake" in globals():
    main(globals()["snakemake"])
