"""Take salient values away, and train the decoder anew on what is left."""

from pathlib import Path
from typing import Any

from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_files import read_decoder_files, write_decoder_table
from neurospect.saliency.decoder_removal import (
    CURVE_COLUMNS,
    RETRAINING_COLUMNS,
    remove_and_retrain,
)
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
        checkpoint = Path(output.retraining).with_name("unfinished_removal.pt")
        retraining, curves = remove_and_retrain(
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
                precision=params.precision,
            ),
            params.method,
            params.options,
            params.fractions,
            seed=params.removal_seed,
            device=device,
            temperature=found.temperature,
            of=params.gradient_of,
            checkpoint=checkpoint,
            identity=job.recipe,
        )
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_decoder_table(output.retraining, retraining, RETRAINING_COLUMNS, **whose)
        write_decoder_table(output.curves, curves, CURVE_COLUMNS, **whose)
        job.no_longer_needed.append(checkpoint)


if "snakemake" in globals():
    main(globals()["snakemake"])
