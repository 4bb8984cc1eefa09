"""Compare the maps of a decoder with those of decoders that learned nothing."""

from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_checks import CHECK_COLUMNS, check_labels, check_maps
from neurospect.saliency.decoder_files import read_decoder_files, write_decoder_table
from neurospect.saliency.decoders import Decoder
from neurospect.training.compute import prepare_compute
from neurospect.training.loop import TrainingPlan


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        device = prepare_compute(params.device, snakemake.threads)
        decoder = Decoder(**params.decoder)
        found = read_decoder_files(
            dict(inputs.items()), params.target, decoder, params.temperature, device
        )
        same: dict[str, Any] = {
            "examples": params.examples,
            "seed": params.shuffling_seed,
            "device": device,
            "temperature": found.temperature,
            "of": params.gradient_of,
        }
        tables = [check_maps(found.model, found.data, params.methods, **same)]
        checkpoint = Path(output.checks).with_name("unfinished_check.pt")
        if params.labels:
            by_labels = check_labels(
                found.model,
                found.data,
                decoder,
                TrainingPlan(
                    task="classification",
                    epochs=params.epochs,
                    learning_rate=params.learning_rate,
                    batch_size=params.batch_size,
                    micro_batch_size=params.micro_batch_size,
                    seed=int(snakemake.wildcards.seed),
                    checkpoint_every=params.checkpoint_every,
                    precision=params.precision,
                ),
                params.methods,
                **same,
                checkpoint=checkpoint,
                identity=job.recipe,
                name="{experiment} {decoder} seed {seed}, shuffled".format(**snakemake.wildcards),
            )
            tables.append(by_labels)
        table = pd.concat([own for own in tables if len(own)] or tables, ignore_index=True)
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_decoder_table(output.checks, table, CHECK_COLUMNS, **whose)
        job.no_longer_needed.append(checkpoint)


if "snakemake" in globals():
    main(globals()["snakemake"])
