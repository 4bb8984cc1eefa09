# Simulate resting-state runs
# As BIDS derivatives, with the truth beside them, so that they are read like any other cohort.
rule simulate_rest:
    output:
        files=simulated_rest_files(
            SOURCE.format(cohort="simulated-rest"),
            SETTINGS.config.cohorts.of("simulated-rest").participants,
        ),
        record=f"{SOURCE}/simulate_rest.record.json".format(cohort="simulated-rest"),
    log:
        f"{SOURCE}/simulate_rest.log".format(cohort="simulated-rest"),
    benchmark:
        f"{SOURCE}/simulate_rest.benchmark.tsv".format(cohort="simulated-rest")
    conda:
        "../envs/cohorts.yaml"
    params:
        settings=SETTINGS.config.cohorts.of("simulated-rest").model_dump(),
        fwhm_mm=18.0,
        code=code_of("simulate_rest"),
        environment=pins_of("cohorts"),
    message:
        "Simulating resting-state runs"
    script:
        "../scripts/simulate_rest.py"


# Bring reference maps and runs to one grid
# What was resampled, and how, stands in references.json.
rule prepare_references:
    input:
        unpack(template_files),
        runs=first_runs,
    output:
        references=f"{COMPONENTS}/references.nii.gz",
        mask=f"{COMPONENTS}/mask.nii.gz",
        components=f"{COMPONENTS}/components.tsv",
        components_columns=f"{COMPONENTS}/components.json",
        sidecar=f"{COMPONENTS}/references.json",
        record=f"{COMPONENTS}/prepare_references.record.json",
    log:
        f"{COMPONENTS}/prepare_references.log",
    wildcard_constraints:
        cohort=cohorts_of("runs"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        grid=lookup("components/grid", within=config),
        code=code_of("prepare_references"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Preparing the reference maps of {wildcards.cohort}"
    script:
        "../scripts/prepare_references.py"


# Extract maps and time courses of a batch of runs
# One run after the other; a run that cannot be used is listed with the reason, the others go on.
rule extract_components:
    input:
        references=f"{COMPONENTS}/references.nii.gz",
        mask=f"{COMPONENTS}/mask.nii.gz",
        components=f"{COMPONENTS}/components.tsv",
        images=files_of_batch("image"),
        masks=files_of_batch("mask"),
        confounds=files_of_batch("confounds"),
        sidecars=sidecars_of_batch,
    output:
        maps=f"{COMPONENTS}/batch-{{batch}}/maps.npy",
        time_courses=f"{COMPONENTS}/batch-{{batch}}/time_courses.npy",
        runs=f"{COMPONENTS}/batch-{{batch}}/runs.tsv",
        runs_columns=f"{COMPONENTS}/batch-{{batch}}/runs.json",
        quality=f"{COMPONENTS}/batch-{{batch}}/quality.tsv",
        quality_columns=f"{COMPONENTS}/batch-{{batch}}/quality.json",
        excluded=f"{COMPONENTS}/batch-{{batch}}/excluded.tsv",
        excluded_columns=f"{COMPONENTS}/batch-{{batch}}/excluded.json",
        record=f"{COMPONENTS}/batch-{{batch}}/extract_components.record.json",
    log:
        f"{COMPONENTS}/batch-{{batch}}/extract_components.log",
    wildcard_constraints:
        cohort=cohorts_of("runs"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    threads: lookup("threads", within=config)
    params:
        runs=ids_of_batch,
        method=lookup("components/method", within=config),
        dtype=lookup("components/dtype", within=config),
        code=code_of("extract_components"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Extracting components of {wildcards.cohort}, batch {wildcards.batch}"
    script:
        "../scripts/extract_components.py"


# Gather the batches into a cohort
# Time courses and spatial maps for models; a table of quality; who was left out, and why.
rule gather_components:
    input:
        participants=participants_of_runs,
        mask=f"{COMPONENTS}/mask.nii.gz",
        components=f"{COMPONENTS}/components.tsv",
        sidecar=f"{COMPONENTS}/references.json",
        maps=from_batches("maps.npy", COMPONENTS),
        time_courses=from_batches("time_courses.npy", COMPONENTS),
        runs=from_batches("runs.tsv", COMPONENTS),
        quality=from_batches("quality.tsv", COMPONENTS),
        excluded=from_batches("excluded.tsv", COMPONENTS),
    output:
        participants=f"{PREPARED}/participants.tsv",
        columns=f"{PREPARED}/participants.json",
        time_courses=f"{PREPARED}/time_courses.npy",
        spatial_maps=f"{PREPARED}/spatial_maps.npy",
        mean_maps=f"{PREPARED}/mean_maps.npy",
        quality=f"{PREPARED}/quality.tsv",
        quality_columns=f"{PREPARED}/quality.json",
        excluded=f"{PREPARED}/excluded.tsv",
        excluded_columns=f"{PREPARED}/excluded.json",
        description=f"{PREPARED}/dataset_description.json",
        record=f"{PREPARED}/gather_components.record.json",
    log:
        f"{PREPARED}/gather_components.log",
    wildcard_constraints:
        cohort=cohorts_of("runs"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        settings=cohort_settings,
        not_found=participants_without_run,
        time_courses=lookup("components/time_courses", within=config),
        code=code_of("gather_components"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Gathering the components of {wildcards.cohort}"
    script:
        "../scripts/gather_components.py"
