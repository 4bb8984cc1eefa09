# Draw the criteria of all decoders
# Mean over seeds with its standard error, and the seeds; beside them, how well decoders decode.
rule draw_criteria:
    input:
        summary=f"{DECODERS}/criteria.tsv",
        scores=f"{DECODERS}/criteria_by_seed.tsv",
        accuracy=f"{DECODERS}/accuracy.tsv",
    output:
        png=report(
            f"{DECODERS_OF_SEEDS}/criteria.png",
            caption="../workflow/report/criteria.rst",
            category=report_category,
            labels=report_labels("criteria"),
        ),
        svg=f"{DECODERS_OF_SEEDS}/criteria.svg",
        pdf=f"{DECODERS_OF_SEEDS}/criteria.pdf",
        record=f"{DECODERS_OF_SEEDS}/draw_criteria.record.json",
    log:
        f"{DECODERS_OF_SEEDS}/draw_criteria.log",
    benchmark:
        f"{DECODERS_OF_SEEDS}/draw_criteria.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        code=code_of("draw_criteria"),
        environment=pins_of("figures"),
    message:
        "Drawing the criteria of {wildcards.experiment}"
    script:
        "../scripts/draw_criteria.py"


# Draw the criteria over a setting
# Weight penalties, or temperatures.
rule draw_sweep:
    input:
        table=f"{DECODERS}/{{sweep}}.tsv",
    output:
        png=report(
            f"{DECODERS_OF_SEEDS}/{{sweep}}.png",
            caption="../workflow/report/sweep.rst",
            category=report_category,
            labels=report_labels("criteria over {sweep}"),
        ),
        svg=f"{DECODERS_OF_SEEDS}/{{sweep}}.svg",
        pdf=f"{DECODERS_OF_SEEDS}/{{sweep}}.pdf",
        record=f"{DECODERS_OF_SEEDS}/{{sweep}}.draw_sweep.record.json",
    log:
        f"{DECODERS_OF_SEEDS}/{{sweep}}.draw_sweep.log",
    benchmark:
        f"{DECODERS_OF_SEEDS}/{{sweep}}.draw_sweep.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
        sweep="regularisation|temperatures",
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        code=code_of("draw_sweep"),
        environment=pins_of("figures"),
    message:
        "Drawing {wildcards.sweep} of {wildcards.experiment}"
    script:
        "../scripts/draw_sweep.py"


# Draw the sanity checks
# How alike maps stay as layer after layer is shuffled.
rule draw_sanity:
    input:
        checks=f"{DECODERS}/sanity_checks.tsv",
    output:
        png=report(
            f"{DECODERS_OF_SEEDS}/sanity_checks.png",
            caption="../workflow/report/sanity.rst",
            category=report_category,
            labels=report_labels("sanity checks"),
        ),
        svg=f"{DECODERS_OF_SEEDS}/sanity_checks.svg",
        pdf=f"{DECODERS_OF_SEEDS}/sanity_checks.pdf",
        record=f"{DECODERS_OF_SEEDS}/draw_sanity.record.json",
    log:
        f"{DECODERS_OF_SEEDS}/draw_sanity.log",
    benchmark:
        f"{DECODERS_OF_SEEDS}/draw_sanity.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        code=code_of("draw_sanity"),
        environment=pins_of("figures"),
    message:
        "Drawing the checks of {wildcards.experiment}"
    script:
        "../scripts/draw_sanity.py"


# Draw what removal does
# To probabilities, and to accuracies after training anew.
rule draw_removal:
    input:
        retraining=f"{DECODERS}/retraining.tsv",
        curves=f"{DECODERS}/removal_curves.tsv",
    output:
        png=report(
            f"{DECODERS_OF_SEEDS}/removal.png",
            caption="../workflow/report/removal.rst",
            category=report_category,
            labels=report_labels("removal of salient values"),
        ),
        svg=f"{DECODERS_OF_SEEDS}/removal.svg",
        pdf=f"{DECODERS_OF_SEEDS}/removal.pdf",
        record=f"{DECODERS_OF_SEEDS}/draw_removal.record.json",
    log:
        f"{DECODERS_OF_SEEDS}/draw_removal.log",
    benchmark:
        f"{DECODERS_OF_SEEDS}/draw_removal.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        code=code_of("draw_removal"),
        environment=pins_of("figures"),
    message:
        "Drawing the removal of {wildcards.experiment}"
    script:
        "../scripts/draw_removal.py"


# Draw maps of single examples
# The first test example of each class, and the maps of every decoder.
rule draw_example_maps:
    input:
        maps=maps_of_every_decoder,
    output:
        png=report(
            f"{DECODERS}/seed-{{seed}}/example_maps.png",
            caption="../workflow/report/example_maps.rst",
            category=report_category,
            labels=report_labels("maps of examples"),
        ),
        svg=f"{DECODERS}/seed-{{seed}}/example_maps.svg",
        pdf=f"{DECODERS}/seed-{{seed}}/example_maps.pdf",
        record=f"{DECODERS}/seed-{{seed}}/draw_example_maps.record.json",
    log:
        f"{DECODERS}/seed-{{seed}}/draw_example_maps.log",
    benchmark:
        f"{DECODERS}/seed-{{seed}}/draw_example_maps.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        decoders=lambda wildcards: list(experiment(wildcards).decoders),
        code=code_of("draw_example_maps"),
        environment=pins_of("figures"),
    message:
        "Drawing maps of {wildcards.experiment}, seed {wildcards.seed}"
    script:
        "../scripts/draw_example_maps.py"


# Draw mean maps through the brain
# Of every class, by one decoder: on cuts, and on a page to look through.
rule draw_brain_maps:
    input:
        maps=f"{DECODER}/maps.nc",
    output:
        png=report(
            f"{DECODER}/brain_maps.png",
            caption="../workflow/report/brain_maps.rst",
            category=report_category,
            labels=report_labels("mean maps through the brain"),
        ),
        svg=f"{DECODER}/brain_maps.svg",
        pdf=f"{DECODER}/brain_maps.pdf",
        page=report(
            f"{DECODER}/brain_maps.html",
            caption="../workflow/report/brain_maps.rst",
            category=report_category,
            labels=report_labels("mean maps to look through"),
        ),
        record=f"{DECODER}/draw_brain_maps.record.json",
    log:
        f"{DECODER}/draw_brain_maps.log",
    benchmark:
        f"{DECODER}/draw_brain_maps.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        code=code_of("draw_brain_maps"),
        environment=pins_of("figures"),
    message:
        "Drawing mean maps of {wildcards.experiment}, decoder {wildcards.decoder}, seed {wildcards.seed}"
    script:
        "../scripts/draw_brain_maps.py"
