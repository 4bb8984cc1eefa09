# Simulate task maps of families
# In the layout of HCP1200, with the truth beside them.
rule simulate_hcp:
    output:
        files=simulated_hcp_files(
            SOURCE.format(cohort="simulated-hcp"),
            SETTINGS.config.cohorts.of("simulated-hcp").participants,
        ),
        record=f"{SOURCE}/simulate_hcp.record.json".format(cohort="simulated-hcp"),
    log:
        f"{SOURCE}/simulate_hcp.log".format(cohort="simulated-hcp"),
    benchmark:
        f"{SOURCE}/simulate_hcp.benchmark.tsv".format(cohort="simulated-hcp")
    conda:
        "../envs/cohorts.yaml"
    params:
        settings=SETTINGS.config.cohorts.of("simulated-hcp").model_dump(),
        code=code_of("simulate_hcp"),
        environment=pins_of("cohorts"),
    message:
        "Simulating task maps of families"
    script:
        "../scripts/simulate_hcp.py"


# Read the task maps of a batch of participants
# Each z-scored inside the mask; a map that cannot be used is listed, the others go on.
rule build_task_maps:
    input:
        unpack(mask_of_task_maps),
        maps=task_map_files_of_batch,
        contrasts=lists_of_contrasts,
    output:
        maps=f"{TASK_MAPS}/batch-{{batch}}/maps.npy",
        mask=f"{TASK_MAPS}/batch-{{batch}}/mask.nii.gz",
        examples=f"{TASK_MAPS}/batch-{{batch}}/examples.tsv",
        examples_columns=f"{TASK_MAPS}/batch-{{batch}}/examples.json",
        excluded=f"{TASK_MAPS}/batch-{{batch}}/excluded.tsv",
        excluded_columns=f"{TASK_MAPS}/batch-{{batch}}/excluded.json",
        record=f"{TASK_MAPS}/batch-{{batch}}/build_task_maps.record.json",
    log:
        f"{TASK_MAPS}/batch-{{batch}}/build_task_maps.log",
    wildcard_constraints:
        cohort=cohorts_of("task maps"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        examples=examples_of_batch,
        dtype=lookup("task_maps/dtype", within=config),
        code=code_of("build_task_maps"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Reading task maps of {wildcards.cohort}, batch {wildcards.batch}"
    script:
        "../scripts/build_task_maps.py"


# Gather the batches into a cohort
# One array of all examples, memory-mapped when read; the mask; who and what was left out.
rule gather_task_maps:
    input:
        unpack(task_map_tables),
        maps=from_batches("maps.npy", TASK_MAPS),
        masks=from_batches("mask.nii.gz", TASK_MAPS),
        examples=from_batches("examples.tsv", TASK_MAPS),
        excluded=from_batches("excluded.tsv", TASK_MAPS),
    output:
        participants=f"{PREPARED}/participants.tsv",
        columns=f"{PREPARED}/participants.json",
        examples=f"{PREPARED}/examples.tsv",
        examples_columns=f"{PREPARED}/examples.json",
        task_maps=f"{PREPARED}/task_maps.npy",
        mask=f"{PREPARED}/mask.nii.gz",
        mean_maps=f"{PREPARED}/mean_maps.npy",
        excluded=f"{PREPARED}/excluded.tsv",
        excluded_columns=f"{PREPARED}/excluded.json",
        description=f"{PREPARED}/dataset_description.json",
        record=f"{PREPARED}/gather_task_maps.record.json",
    log:
        f"{PREPARED}/gather_task_maps.log",
    wildcard_constraints:
        cohort=cohorts_of("task maps"),
    cache: True
    conda:
        "../envs/cohorts.yaml"
    params:
        not_found=examples_not_found,
        code=code_of("gather_task_maps"),
        environment=pins_of("cohorts"),
        shared_as=names_and_contents,
    message:
        "Gathering the task maps of {wildcards.cohort}"
    script:
        "../scripts/gather_task_maps.py"
