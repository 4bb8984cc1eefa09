"""Train a decoder, plainly or against noise; score it and fit its temperature."""

import logging
from pathlib import Path
from typing import Any

from neurospect.arrays.checkpoints import write_checkpoint
from neurospect.arrays.tables import write_table
from neurospect.provenance.job import recorded_job
from neurospect.saliency.decoder_files import write_decoder_table
from neurospect.saliency.decoders import (
    ACCURACY_COLUMNS,
    TEMPERATURE_COLUMNS,
    Decoder,
    train_decoder,
)
from neurospect.saliency.decoding_data import read_decoding_data
from neurospect.training.loop import HISTORY_COLUMNS, TrainingPlan, TrainingStoppedError

LOG = logging.getLogger(__name__)


def main(snakemake: Any) -> None:
    params, output = snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        checkpoint = Path(output.model).with_name("unfinished_training.pt")
        try:
            trained = train_decoder(
                read_decoding_data(dict(snakemake.input.items()), params.target),
                Decoder(**params.decoder),
                TrainingPlan(
                    task="classification",
                    epochs=params.epochs,
                    learning_rate=params.learning_rate,
                    batch_size=params.batch_size,
                    micro_batch_size=params.micro_batch_size,
                    seed=int(snakemake.wildcards.seed),
                    evaluate_every=params.evaluate_every,
                    checkpoint_every=params.checkpoint_every,
                    precision=params.precision,
                ),
                device=params.device,
                threads=snakemake.threads,
                checkpoint=checkpoint,
                identity=job.recipe,
                name="{experiment} {decoder} seed {seed}".format(**snakemake.wildcards),
            )
        except TrainingStoppedError as stop:
            kept = Path(output.model).with_name("stopped")
            write_table(kept / "history.tsv", stop.history, HISTORY_COLUMNS)
            LOG.error("the history up to there is kept in %s", kept)
            raise
        write_checkpoint(output.model, {"model": trained.model.state_dict()})
        write_table(output.history, trained.history, HISTORY_COLUMNS)
        whose = {name: str(snakemake.wildcards[name]) for name in ("decoder", "seed")}
        write_decoder_table(output.accuracy, trained.accuracy, ACCURACY_COLUMNS, **whose)
        write_decoder_table(output.temperature, trained.temperature, TEMPERATURE_COLUMNS, **whose)
        job.no_longer_needed.append(checkpoint)


if "snakemake" in globals():
    main(globals()["snakemake"])
