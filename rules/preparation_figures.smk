# Draw the components of a cohort
# Mean maps over participants, by functional domain.
rule draw_component_mosaics:
    input:
        mean_maps=f"{PREPARED}/mean_maps.npy",
        mask=f"{COMPONENTS}/mask.nii.gz",
        components=f"{COMPONENTS}/components.tsv",
        sidecar=f"{COMPONENTS}/references.json",
    output:
        png=report(
            f"{PREPARED}/mosaics.png",
            caption="../workflow/report/mosaics.rst",
            category=preparation_category,
            labels=preparation_labels("spatial maps"),
        ),
        svg=f"{PREPARED}/mosaics.svg",
        pdf=f"{PREPARED}/mosaics.pdf",
        record=f"{PREPARED}/draw_component_mosaics.record.json",
    log:
        f"{PREPARED}/draw_component_mosaics.log",
    benchmark:
        f"{PREPARED}/draw_component_mosaics.benchmark.tsv"
    wildcard_constraints:
        cohort=cohorts_of("runs"),
    conda:
        "../envs/figures.yaml"
    params:
        title=cohort_title,
        code=code_of("draw_component_mosaics"),
        environment=pins_of("figures"),
    message:
        "Drawing the components of {wildcards.cohort}"
    script:
        "../scripts/draw_component_mosaics.py"


# Draw the quality of the components
# Likeness of maps and references, beside dual regression; motion; who was left out.
rule draw_component_quality:
    input:
        quality=f"{PREPARED}/quality.tsv",
        participants=f"{PREPARED}/participants.tsv",
        excluded=f"{PREPARED}/excluded.tsv",
    output:
        png=report(
            f"{PREPARED}/quality.png",
            caption="../workflow/report/quality.rst",
            category=preparation_category,
            labels=preparation_labels("quality of the components"),
        ),
        svg=f"{PREPARED}/quality.svg",
        pdf=f"{PREPARED}/quality.pdf",
        page=report(
            f"{PREPARED}/participants.html",
            caption="../workflow/report/participants.rst",
            category=preparation_category,
            labels={"shows": "every participant, and who was left out", "recipe": ""},
        ),
        record=f"{PREPARED}/draw_component_quality.record.json",
    log:
        f"{PREPARED}/draw_component_quality.log",
    benchmark:
        f"{PREPARED}/draw_component_quality.benchmark.tsv"
    wildcard_constraints:
        cohort=cohorts_of("runs"),
    conda:
        "../envs/figures.yaml"
    params:
        title=cohort_title,
        method=lookup("components/method", within=config),
        code=code_of("draw_component_quality"),
        environment=pins_of("figures"),
    message:
        "Drawing the quality of {wildcards.cohort}"
    script:
        "../scripts/draw_component_quality.py"


# Draw the task maps of a cohort
# Mean over participants of every task.
rule draw_task_maps:
    input:
        mean_maps=f"{PREPARED}/mean_maps.npy",
        mask=f"{PREPARED}/mask.nii.gz",
        examples=f"{PREPARED}/examples.tsv",
        excluded=f"{PREPARED}/excluded.tsv",
    output:
        png=report(
            f"{PREPARED}/task_maps.png",
            caption="../workflow/report/task_maps.rst",
            category=preparation_category,
            labels=preparation_labels("mean task maps"),
        ),
        svg=f"{PREPARED}/task_maps.svg",
        pdf=f"{PREPARED}/task_maps.pdf",
        page=report(
            f"{PREPARED}/participants.html",
            caption="../workflow/report/examples.rst",
            category=preparation_category,
            labels={"shows": "examples by task, and what was left out", "recipe": ""},
        ),
        record=f"{PREPARED}/draw_task_maps.record.json",
    log:
        f"{PREPARED}/draw_task_maps.log",
    benchmark:
        f"{PREPARED}/draw_task_maps.benchmark.tsv"
    wildcard_constraints:
        cohort=cohorts_of("task maps"),
    conda:
        "../envs/figures.yaml"
    params:
        title=cohort_title,
        code=code_of("draw_task_maps"),
        environment=pins_of("figures"),
    message:
        "Drawing the task maps of {wildcards.cohort}"
    script:
        "../scripts/draw_task_maps.py"


# List the participants of a cohort that is an array from the start
# How many there are of each class, and who was left out.
rule list_participants:
    input:
        participants=f"{PREPARED}/participants.tsv",
        description=f"{PREPARED}/dataset_description.json",
        excluded=f"{PREPARED}/excluded.tsv",
    output:
        page=report(
            f"{PREPARED}/participants.html",
            caption="../workflow/report/left_out.rst",
            category=preparation_category,
            labels={"shows": "who takes part, and who was left out", "recipe": ""},
        ),
        record=f"{PREPARED}/list_participants.record.json",
    log:
        f"{PREPARED}/list_participants.log",
    benchmark:
        f"{PREPARED}/list_participants.benchmark.tsv"
    wildcard_constraints:
        cohort=cohorts_of("array"),
    conda:
        "../envs/figures.yaml"
    params:
        title=cohort_title,
        code=code_of("list_participants"),
        environment=pins_of("figures"),
    message:
        "Listing the participants of {wildcards.cohort}"
    script:
        "../scripts/list_participants.py"


# Draw the splits of a cohort
# Sizes, families and classes.
rule draw_splits:
    input:
        splits=f"{SPLITS}/splits.tsv",
        participants=f"{PREPARED}/participants.tsv",
        description=f"{PREPARED}/dataset_description.json",
    output:
        png=report(
            f"{SPLITS}/splits.png",
            caption="../workflow/report/splits.rst",
            category=preparation_category,
            labels=preparation_labels("training, validation and test"),
        ),
        svg=f"{SPLITS}/splits.svg",
        pdf=f"{SPLITS}/splits.pdf",
        record=f"{SPLITS}/draw_splits.record.json",
    log:
        f"{SPLITS}/draw_splits.log",
    benchmark:
        f"{SPLITS}/draw_splits.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=cohort_title,
        code=code_of("draw_splits"),
        environment=pins_of("figures"),
    message:
        "Drawing the splits of {wildcards.cohort}"
    script:
        "../scripts/draw_splits.py"
