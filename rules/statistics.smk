# Permute group labels
# Over the block gradients kept in the training pass; nothing is trained again.
rule permute_labels:
    input:
        blocks=from_compared_panel("block_gradients.nc"),
    output:
        differences=f"{PANEL}/permuted_differences.nc",
        record=f"{PANEL}/permute_labels.record.json",
    log:
        f"{PANEL}/permute_labels.log",
    benchmark:
        f"{PANEL}/permute_labels.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    params:
        groups=of_panel("groups"),
        permutations=of_experiment("permutation.permutations"),
        seed=of_experiment("permutation.seed"),
        alpha=of_experiment("permutation.alpha"),
        code=code_of("permute_labels"),
        environment=pins_of("training"),
    message:
        "Permuting labels of {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/permute_labels.py"


# Train anew under permuted labels
# Where labels were what the model learnt; one job a batch, and each training as the first was.
rule retrain:
    input:
        unpack(examples_of_cohort),
        participants=f"{PREPARED}/participants.tsv",
        array=array_of_experiment,
        description=f"{PREPARED}/dataset_description.json",
        splits=f"{SPLITS}/splits.tsv",
        blocks=from_compared_panel("block_gradients.nc"),
    output:
        retrainings=f"{PANEL}/retrainings/batch-{{batch}}.nc",
        record=f"{PANEL}/retrainings/batch-{{batch}}.record.json",
    log:
        f"{PANEL}/retrainings/batch-{{batch}}.log",
    benchmark:
        f"{PANEL}/retrainings/batch-{{batch}}.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        groups=of_panel("groups"),
        numbers=retrainings_of_batch,
        permutation_seed=of_experiment("permutation.seed"),
        target=of_experiment("target"),
        group_column=of_experiment("groups.column"),
        group_levels=of_experiment("groups.levels"),
        model=of_experiment("model"),
        task=of_compared_panel(of_panel("task")),
        architecture=of_compared_panel(architecture_of_panel),
        epochs=of_experiment("training.epochs"),
        learning_rate=of_experiment("training.learning_rate"),
        precision=of_experiment("training.precision"),
        spectra_every=of_experiment("spectra.every"),
        engine=of_experiment("spectra.engine"),
        compared_groups=of_compared_panel(groups_compared_in_panel),
        blocks_per_group=of_experiment("permutation.blocks_per_group"),
        block_steps=of_experiment("permutation.steps"),
        permuted_within=of_experiment("permutation.within"),
        device=lookup("device", within=config),
        code=code_of("retrain"),
        environment=pins_of("training"),
    message:
        "Training {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed} anew, batch {wildcards.batch}"
    script:
        "../scripts/retrain.py"


# Gather the trainings under permuted labels
# In the format of permuted differences, so that the same tests run over them.
rule gather_retrainings:
    input:
        differences=f"{PANEL}/permuted_differences.nc",
        blocks=from_compared_panel("block_gradients.nc"),
        retrainings=batches_of_retrainings,
    output:
        differences=f"{PANEL}/retrained_differences.nc",
        record=f"{PANEL}/gather_retrainings.record.json",
    log:
        f"{PANEL}/gather_retrainings.log",
    benchmark:
        f"{PANEL}/gather_retrainings.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    params:
        code=code_of("gather_retrainings"),
        environment=pins_of("training"),
    message:
        "Gathering retrainings of {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/gather_retrainings.py"


# Test group differences
# By the maximum statistic and by the mass of clusters, over relabelings; how large they are;
# and, labelled as such, by the paper's t-tests.
rule test_group_differences:
    input:
        differences=differences_to_test,
        spectra=from_compared_panel("spectra.nc"),
    output:
        permutation_test=f"{PANEL}/permutation_test.tsv",
        permutation_test_columns=f"{PANEL}/permutation_test.json",
        weights=f"{PANEL}/weights.tsv",
        weights_columns=f"{PANEL}/weights.json",
        clusters=f"{PANEL}/clusters.tsv",
        clusters_columns=f"{PANEL}/clusters.json",
        cluster_cells=f"{PANEL}/cluster_cells.tsv",
        cluster_cells_columns=f"{PANEL}/cluster_cells.json",
        effect_sizes=f"{PANEL}/effect_sizes.tsv",
        effect_sizes_columns=f"{PANEL}/effect_sizes.json",
        t_tests=f"{PANEL}/t_tests.tsv",
        t_tests_columns=f"{PANEL}/t_tests.json",
        record=f"{PANEL}/test_group_differences.record.json",
    log:
        f"{PANEL}/test_group_differences.log",
    benchmark:
        f"{PANEL}/test_group_differences.benchmark.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        groups=of_panel("groups"),
        alpha=of_experiment("permutation.alpha"),
        forming=of_experiment("permutation.cluster_forming_z"),
        code=code_of("test_group_differences"),
        environment=pins_of("statistics"),
    message:
        "Testing groups of {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/test_group_differences.py"


# Summarise the seeds of a comparison
# Trainings that differ in their random start only; the participants are the same.
rule summarise_seeds:
    input:
        permutation_tests=of_every_seed("permutation_test.tsv"),
    output:
        summary=f"{PANEL_OF_SEEDS}/seed_summary.tsv",
        summary_columns=f"{PANEL_OF_SEEDS}/seed_summary.json",
        record=f"{PANEL_OF_SEEDS}/summarise_seeds.record.json",
    log:
        f"{PANEL_OF_SEEDS}/summarise_seeds.log",
    benchmark:
        f"{PANEL_OF_SEEDS}/summarise_seeds.benchmark.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        code=code_of("summarise_seeds"),
        environment=pins_of("statistics"),
    message:
        "Summarising the seeds of {wildcards.experiment}, panel {wildcards.panel}"
    script:
        "../scripts/summarise_seeds.py"
