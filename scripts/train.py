"""Train a model and record its gradient spectra by group."""

import logging
from pathlib import Path
from typing import Any

from neurospect.arrays.checkpoints import write_checkpoint
from neurospect.arrays.labelled import write_datatree
from neurospect.arrays.tables import write_table
from neurospect.cohorts.cohort import read_cohort
from neurospect.preprocess.splits import read_splits
from neurospect.provenance.job import recorded_job
from neurospect.spectra.monitored_training import Monitoring, train_with_spectra
from neurospect.training.loop import HISTORY_COLUMNS, TrainingPlan, TrainingStoppedError

LOG = logging.getLogger(__name__)


def main(snakemake: Any) -> None:
    params, output = snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        files = snakemake.input
        examples = files.get("examples")
        cohort = read_cohort(files.participants, files.array, files.description, examples)
        splits = read_splits(files.splits, cohort.participants, cohort.family_columns)
        checkpoint = Path(output.model).with_name("unfinished_training.pt")
        try:
            trained = train_with_spectra(
                cohort.rows.merge(splits, on="participant_id", how="left", validate="many_to_one"),
                cohort.array,
                target=params.target,
                family=params.model,
                architecture=params.architecture,
                plan=TrainingPlan(
                    task=params.task,
                    epochs=params.epochs,
                    learning_rate=params.learning_rate,
                    batch_size=params.batch_size,
                    seed=int(snakemake.wildcards.seed),
                    evaluate_every=params.evaluate_every,
                    checkpoint_every=params.checkpoint_every,
                    precision=params.precision,
                ),
                monitoring=Monitoring(
                    group_column=params.group_column,
                    levels=params.group_levels,
                    every=params.spectra_every,
                    factors_every=params.factors_every,
                    engine=params.engine,
                    over_ties=params.over_ties,
                    leading=params.leading,
                    compared=params.compared_groups,
                    blocks_per_group=params.blocks_per_group,
                    block_steps=params.block_steps,
                    within=params.permuted_within,
                ),
                device=params.device,
                threads=snakemake.threads,
                checkpoint=checkpoint,
                identity=job.recipe,
                name="{experiment} {panel} seed {seed}".format(**snakemake.wildcards),
            )
        except TrainingStoppedError as stop:
            kept = Path(output.model).with_name("stopped")
            write_table(kept / "history.tsv", stop.history, HISTORY_COLUMNS)
            write_datatree(kept / "spectra.nc", stop.kept)
            LOG.error("history and spectra up to there are kept in %s", kept)
            raise
        write_checkpoint(output.model, {"model": trained.model.state_dict()})
        write_table(output.history, trained.history, HISTORY_COLUMNS)
        write_datatree(output.spectra, trained.spectra)
        write_datatree(output.blocks, trained.blocks)
        job.no_longer_needed.append(checkpoint)


if "snakemake" in globals():
    main(globals()["snakemake"])
