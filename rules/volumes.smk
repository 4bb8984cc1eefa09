# Simulate volumes of brain structures
# As aseg.stats in FreeSurfer's layout, with the truth beside them.
rule simulate_freesurfer:
    output:
        files=simulated_freesurfer_files(
            SOURCE.format(cohort="simulated-freesurfer"),
            SETTINGS.config.cohorts.of("simulated-freesurfer").participants,
        ),
        record=f"{SOURCE}/simulate_freesurfer.record.json".format(
            cohort="simulated-freesurfer"
        ),
    log:
        f"{SOURCE}/simulate_freesurfer.log".format(cohort="simulated-freesurfer"),
    benchmark:
        f"{SOURCE}/simulate_freesurfer.benchmark.tsv".format(
            cohort="simulated-freesurfer"
        )
    conda:
        "../envs/cohorts.yaml"
    params:
        settings=SETTINGS.config.cohorts.of("simulated-freesurfer").model_dump(
            include={"participants", "seed"}
        ),
        code=code_of("simulate_freesurfer"),
        environment=pins_of("cohorts"),
    message:
        "Simulating volumes of brain structures"
    script:
        "../scripts/simulate_freesurfer.py"


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
    wildcard_constraints:
        cohort="|".join(OF_VOLUMES),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        head_size=of_cohort("head_size"),
        covariates=of_cohort("covariates"),
        categorical=of_cohort("categorical"),
        code=code_of("residualise_volumes"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Residualising the volumes of {wildcards.cohort}"
    script:
        "../scripts/residualise_volumes.py"
