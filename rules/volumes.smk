# Take head size, age and sex out of the volumes
# By a regression fitted on the training split only.
rule residualise_volumes:
    input:
        participants=f"{PREPARED}/participants.tsv",
        array=f"{PREPARED}/array.npy",
        description=f"{PREPARED}/dataset_description.json",
        splits=f"{SPLITS}/splits.tsv",
    output:
        array=f"{VOLUMES}/array.npy",
        features=f"{VOLUMES}/features.tsv",
        features_columns=f"{VOLUMES}/features.json",
        record=f"{VOLUMES}/residualise_volumes.record.json",
    log:
        f"{VOLUMES}/residualise_volumes.log",
    benchmark:
        f"{VOLUMES}/residualise_volumes.benchmark.tsv"
    conda:
        "../envs/cohorts.yaml"
    params:
        head_size=lookup("cohorts/freesurfer/head_size", within=config),
        covariates=lookup("cohorts/freesurfer/covariates", within=config),
        categorical=lookup("cohorts/freesurfer/categorical", within=config),
        code=code_of("residualise_volumes"),
        environment=pins_of("cohorts"),
    message:
        "Residualising the volumes of {wildcards.cohort}"
    script:
        "../scripts/residualise_volumes.py"
