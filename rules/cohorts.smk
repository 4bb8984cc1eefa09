if SETTINGS.config.cohorts.mnist.source == "openml":

    # Fetch full MNIST
    # Where there is internet; the files' checksums are those that were published.
    rule fetch_mnist:
        output:
            files=raw_files("mnist", SETTINGS.config.cohorts.mnist.model_dump()),
            record=f"{SETTINGS.config.cohorts.mnist.folder}/fetch_mnist.record.json",
        log:
            f"{SETTINGS.config.cohorts.mnist.folder}/fetch_mnist.log",
        localrule: True
        conda:
            "../envs/cohorts.yaml"
        params:
            code=code_of("fetch_mnist"),
            environment=pins_of("cohorts"),
        message:
            "Fetching full MNIST"
        script:
            "../scripts/fetch_mnist.py"


# Prepare a cohort that is an array from the start
# From its raw files (or its seed) to a participants table and one array.
rule prepare_cohort:
    input:
        raw=cohort_raw_files,
    output:
        participants=f"{PREPARED}/participants.tsv",
        columns=f"{PREPARED}/participants.json",
        array=f"{PREPARED}/array.npy",
        description=f"{PREPARED}/dataset_description.json",
        excluded=f"{PREPARED}/excluded.tsv",
        excluded_columns=f"{PREPARED}/excluded.json",
        record=f"{PREPARED}/prepare_cohort.record.json",
    log:
        f"{PREPARED}/prepare_cohort.log",
    wildcard_constraints:
        cohort=cohorts_of("array"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        settings=cohort_settings,
        code=code_of("prepare_cohort"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Preparing cohort {wildcards.cohort}"
    script:
        "../scripts/prepare_cohort.py"
