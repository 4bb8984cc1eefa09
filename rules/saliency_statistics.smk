# Score strong and simple baselines
# A linear support vector machine, and the nearest mean, on the splits of the decoders.
rule score_baselines:
    input:
        unpack(decoding_files),
    output:
        baselines=f"{DECODERS}/baselines.tsv",
        baselines_columns=f"{DECODERS}/baselines.json",
        record=f"{DECODERS}/score_baselines.record.json",
    log:
        f"{DECODERS}/score_baselines.log",
    benchmark:
        f"{DECODERS}/score_baselines.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/training.yaml"
    threads: lookup("threads", within=config)
    params:
        target=of_experiment("target"),
        code=code_of("score_baselines"),
        environment=pins_of("training"),
    message:
        "Scoring baselines of {wildcards.experiment}"
    script:
        "../scripts/score_baselines.py"


# Test the criteria of all decoders
# With seeds as observations; and beside it, labelled as such, the paper's tests over examples.
rule test_criteria:
    input:
        criteria=of_every_decoder("criteria.tsv"),
    output:
        summary=f"{DECODERS}/criteria.tsv",
        summary_columns=f"{DECODERS}/criteria.json",
        scores=f"{DECODERS}/criteria_by_seed.tsv",
        scores_columns=f"{DECODERS}/criteria_by_seed.json",
        tests=f"{DECODERS}/criteria_tests.tsv",
        tests_columns=f"{DECODERS}/criteria_tests.json",
        record=f"{DECODERS}/test_criteria.record.json",
    log:
        f"{DECODERS}/test_criteria.log",
    benchmark:
        f"{DECODERS}/test_criteria.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/statistics.yaml"
    params:
        code=code_of("test_criteria"),
        environment=pins_of("statistics"),
    message:
        "Testing the criteria of {wildcards.experiment}"
    script:
        "../scripts/test_criteria.py"


# Summarise the sweep over weight penalties
# Every decoder, trained with each penalty.
rule sweep_penalties:
    input:
        criteria=of_every_penalty("criteria.tsv"),
        accuracy=of_every_penalty("accuracy.tsv"),
    output:
        penalties=f"{DECODERS}/regularisation.tsv",
        penalties_columns=f"{DECODERS}/regularisation.json",
        record=f"{DECODERS}/sweep_penalties.record.json",
    log:
        f"{DECODERS}/sweep_penalties.log",
    benchmark:
        f"{DECODERS}/sweep_penalties.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
    conda:
        "../envs/statistics.yaml"
    params:
        variants=lambda wildcards: experiment(wildcards).penalised,
        code=code_of("sweep_penalties"),
        environment=pins_of("statistics"),
    message:
        "Summarising the penalties of {wildcards.experiment}"
    script:
        "../scripts/sweep_penalties.py"


# Summarise a table of all decoders over seeds
# Accuracy, temperatures, checks and what else each training has of its own.
rule summarise_decoders:
    input:
        tables=of_every_decoder("{table}.tsv"),
        baselines=baselines_beside,
    output:
        summary=f"{DECODERS}/{{table}}.tsv",
        summary_columns=f"{DECODERS}/{{table}}.json",
        record=f"{DECODERS}/{{table}}.summarise_decoders.record.json",
    log:
        f"{DECODERS}/{{table}}.summarise_decoders.log",
    benchmark:
        f"{DECODERS}/{{table}}.summarise_decoders.benchmark.tsv"
    wildcard_constraints:
        experiment=SALIENCY_EXPERIMENTS,
        table="|".join(SUMMARISED),
    conda:
        "../envs/training.yaml"
    params:
        code=code_of("summarise_decoders"),
        environment=pins_of("training"),
    message:
        "Summarising {wildcards.table} of {wildcards.experiment}"
    script:
        "../scripts/summarise_decoders.py"
