# Train a model
# And record, in the same pass, its gradient spectra by group of samples.
rule train:
    input:
        unpack(examples_of_cohort),
        participants=f"{PREPARED}/participants.tsv",
        array=array_of_experiment,
        description=f"{PREPARED}/dataset_description.json",
        splits=f"{SPLITS}/splits.tsv",
    output:
        model=f"{PANEL}/model.pt",
        history=f"{PANEL}/history.tsv",
        history_columns=f"{PANEL}/history.json",
        spectra=f"{PANEL}/spectra.nc",
        blocks=f"{PANEL}/block_gradients.nc",
        record=f"{PANEL}/train.record.json",
    log:
        f"{PANEL}/train.log",
    benchmark:
        f"{PANEL}/train.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        group_column=of_experiment("groups.column"),
        group_levels=of_experiment("groups.levels"),
        model=of_experiment("model"),
        task=of_panel("task"),
        architecture=architecture_of_panel,
        epochs=of_experiment("training.epochs"),
        learning_rate=of_experiment("training.learning_rate"),
        batch_size=of_experiment("training.batch_size"),
        evaluate_every=of_experiment("training.evaluate_every"),
        checkpoint_every=of_experiment("training.checkpoint_every"),
        precision=of_experiment("training.precision"),
        spectra_every=of_experiment("spectra.every"),
        factors_every=of_experiment("spectra.factors_every"),
        engine=of_experiment("spectra.engine"),
        over_ties=of_experiment("spectra.over_ties"),
        leading=of_experiment("spectra.leading"),
        compared_groups=groups_compared_in_panel,
        blocks_per_group=of_experiment("permutation.blocks_per_group"),
        block_steps=of_experiment("permutation.steps"),
        permuted_within=of_experiment("permutation.within"),
        device=lookup("device", within=config),
        code=code_of("train"),
        environment=pins_of("training"),
    message:
        "Training {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"
