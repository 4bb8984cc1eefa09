# Split the participants
# Into training, validation and test: families stay together, classes are balanced.
rule split_participants:
    input:
        participants=f"{PREPARED}/participants.tsv",
        description=f"{PREPARED}/dataset_description.json",
    output:
        splits=f"{SPLITS}/splits.tsv",
        columns=f"{SPLITS}/splits.json",
        summary=f"{SPLITS}/summary.tsv",
        summary_columns=f"{SPLITS}/summary.json",
        record=f"{SPLITS}/split_participants.record.json",
    log:
        f"{SPLITS}/split_participants.log",
    benchmark:
        f"{SPLITS}/split_participants.benchmark.tsv"
    conda:
        "../envs/cohorts.yaml"
    params:
        training=lookup("splits/training", within=config),
        validation=lookup("splits/validation", within=config),
        test=lookup("splits/test", within=config),
        seed=lookup("splits/seed", within=config),
        sizes=split_sizes,
        stratify_by=split_classes,
        assume_unrelated=may_be_unrelated,
        code=code_of("split_participants"),
        environment=pins_of("cohorts"),
    message:
        "Splitting {wildcards.cohort}"
    script:
        "../scripts/split_participants.py"
