"""Train a model anew under permuted labels, and measure how the groups' spectra differ."""

from pathlib import Path
from typing import Any

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.cohorts.cohort import read_cohort
from neurospect.preprocess.splits import read_splits
from neurospect.provenance.job import recorded_job
from neurospect.spectra.monitored_training import Monitoring
from neurospect.spectra.retraining import retrained_differences
from neurospect.training.loop import TrainingPlan


def main(snakemake: Any) -> None:
    params, files = snakemake.params, snakemake.input
    with recorded_job(snakemake) as job:
        made = Path(snakemake.output.retrainings)
        checkpoint = made.with_name(f"unfinished_{made.stem}.pt")
        examples = files.get("examples")
        cohort = read_cohort(files.participants, files.array, files.description, examples)
        splits = read_splits(files.splits, cohort.participants, cohort.family_columns)
        retrainings = retrained_differences(
            read_datatree(files.blocks),
            cohort.rows.merge(splits, on="participant_id", how="left", validate="many_to_one"),
            cohort.array,
            params.groups,
            numbers=params.numbers,
            seed=params.permutation_seed,
            target=params.target,
            family=params.model,
            architecture=params.architecture,
            plan=TrainingPlan(
                task=params.task,
                epochs=params.epochs,
                learning_rate=params.learning_rate,
                seed=int(snakemake.wildcards.seed),
                evaluate_every=params.epochs,
                precision=params.precision,
            ),
            monitoring=Monitoring(
                group_column=params.group_column,
                levels=params.group_levels,
                every=params.spectra_every,
                factors_every=params.spectra_every,
                engine=params.engine,
                compared=params.compared_groups,
                blocks_per_group=params.blocks_per_group,
                block_steps=params.block_steps,
                within=params.permuted_within,
            ),
            device=params.device,
            threads=snakemake.threads,
            name="{experiment} {panel} seed {seed}".format(**snakemake.wildcards),
            checkpoint=checkpoint,
            identity=job.recipe,
        )
        write_datatree(made, retrainings)
        job.no_longer_needed.append(checkpoint)


if "snakemake" in globals():
    main(globals()["snakemake"])
