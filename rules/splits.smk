# Split the participants
# Into training, validation and test, balanced by class; nobody stands in two.
rule split_participants:
    input:
        participants=f"{COHORT}/participants.tsv",
    output:
        splits=f"{EXPERIMENT}/splits.tsv",
        columns=f"{EXPERIMENT}/splits.json",
        record=f"{EXPERIMENT}/split_participants.record.json",
    log:
        f"{EXPERIMENT}/split_participants.log",
    benchmark:
        f"{EXPERIMENT}/split_participants.benchmark.tsv"
    conda:
        "../envs/cohorts.yaml"
    params:
        training=lookup("splits/training", within=config),
        validation=lookup("splits/validation", within=config),
        test=lookup("splits/test", within=config),
        seed=lookup("splits/seed", within=config),
        stratify_by=of_experiment("target"),
        code=code_of("split_participants"),
        environment=pins_of("cohorts"),
    message:
        "Splitting {wildcards.cohort} for {wildcards.experiment}"
    script:
        "../scripts/split_participants.py"
