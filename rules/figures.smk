# Draw the spectra of a panel
# Singular values of every weight's gradient over training, whole batch and groups.
rule draw_trajectories:
    input:
        spectra=f"{PANEL}/spectra.nc",
    output:
        png=report(
            f"{PANEL}/trajectories.png",
            caption="../workflow/report/trajectories.rst",
            category=report_category,
            labels=report_labels("gradient spectra"),
        ),
        svg=f"{PANEL}/trajectories.svg",
        pdf=f"{PANEL}/trajectories.pdf",
        table=f"{PANEL}/trajectories.tsv",
        table_columns=f"{PANEL}/trajectories.json",
        record=f"{PANEL}/draw_trajectories.record.json",
    log:
        f"{PANEL}/draw_trajectories.log",
    benchmark:
        f"{PANEL}/draw_trajectories.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=panel_title,
        code=code_of("draw_trajectories"),
        environment=pins_of("figures"),
    message:
        "Drawing {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/draw_trajectories.py"


# Draw gradients over ties
# Time steps, tokens or kernel positions; of experiments that record them (spectra.over_ties).
rule draw_ties:
    input:
        spectra=f"{PANEL}/spectra.nc",
    output:
        png=report(
            f"{PANEL}/ties.png",
            caption="../workflow/report/ties.rst",
            category=report_category,
            labels=report_labels("gradients over ties"),
        ),
        svg=f"{PANEL}/ties.svg",
        pdf=f"{PANEL}/ties.pdf",
        table=f"{PANEL}/ties.tsv",
        table_columns=f"{PANEL}/ties.json",
        record=f"{PANEL}/draw_ties.record.json",
    log:
        f"{PANEL}/draw_ties.log",
    benchmark:
        f"{PANEL}/draw_ties.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=panel_title,
        code=code_of("draw_ties"),
        environment=pins_of("figures"),
    message:
        "Drawing ties of {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/draw_ties.py"


# Draw the group differences of a panel
# Step by rank, with the permutation threshold; the paper's t-tests beside it.
rule draw_group_differences:
    input:
        permutation_test=f"{PANEL}/permutation_test.tsv",
        t_tests=f"{PANEL}/t_tests.tsv",
        clusters=f"{PANEL}/clusters.tsv",
        cluster_cells=f"{PANEL}/cluster_cells.tsv",
        weights=f"{PANEL}/weights.tsv",
    output:
        png=report(
            f"{PANEL}/group_differences.png",
            caption="../workflow/report/group_differences.rst",
            category=report_category,
            labels=report_labels("group differences"),
        ),
        svg=f"{PANEL}/group_differences.svg",
        pdf=f"{PANEL}/group_differences.pdf",
        record=f"{PANEL}/draw_group_differences.record.json",
    log:
        f"{PANEL}/draw_group_differences.log",
    benchmark:
        f"{PANEL}/draw_group_differences.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=comparison_title,
        code=code_of("draw_group_differences"),
        environment=pins_of("figures"),
    message:
        "Drawing {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/draw_group_differences.py"


# Draw how large the group differences of a panel are
# With their intervals, for the largest singular value of every weight.
rule draw_effect_sizes:
    input:
        effect_sizes=f"{PANEL}/effect_sizes.tsv",
        weights=f"{PANEL}/weights.tsv",
    output:
        png=report(
            f"{PANEL}/effect_sizes.png",
            caption="../workflow/report/effect_sizes.rst",
            category=report_category,
            labels=report_labels("sizes of differences"),
        ),
        svg=f"{PANEL}/effect_sizes.svg",
        pdf=f"{PANEL}/effect_sizes.pdf",
        record=f"{PANEL}/draw_effect_sizes.record.json",
    log:
        f"{PANEL}/draw_effect_sizes.log",
    benchmark:
        f"{PANEL}/draw_effect_sizes.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=comparison_title,
        code=code_of("draw_effect_sizes"),
        environment=pins_of("figures"),
    message:
        "Drawing {wildcards.experiment}, panel {wildcards.panel}, seed {wildcards.seed}"
    script:
        "../scripts/draw_effect_sizes.py"


# Draw what all seeds of a comparison say together
# Mean difference, and the share of seeds that found it.
rule draw_seed_summary:
    input:
        summary=f"{PANEL_OF_SEEDS}/seed_summary.tsv",
        weights=of_every_seed("weights.tsv"),
    output:
        png=report(
            f"{PANEL_OF_SEEDS}/seed_summary.png",
            caption="../workflow/report/seed_summary.rst",
            category=report_category,
            labels=report_labels("all seeds together"),
        ),
        svg=f"{PANEL_OF_SEEDS}/seed_summary.svg",
        pdf=f"{PANEL_OF_SEEDS}/seed_summary.pdf",
        record=f"{PANEL_OF_SEEDS}/draw_seed_summary.record.json",
    log:
        f"{PANEL_OF_SEEDS}/draw_seed_summary.log",
    benchmark:
        f"{PANEL_OF_SEEDS}/draw_seed_summary.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=comparison_title,
        code=code_of("draw_seed_summary"),
        environment=pins_of("figures"),
    message:
        "Drawing the seeds of {wildcards.experiment}, panel {wildcards.panel}"
    script:
        "../scripts/draw_seed_summary.py"


# Draw a figure as one page
# All lettered panels of an experiment, side by side.
rule draw_page:
    input:
        spectra=files_of_panels("models", "spectra.nc"),
        permutation_tests=files_of_panels("comparisons", "permutation_test.tsv"),
        clusters=files_of_panels("comparisons", "clusters.tsv"),
        cluster_cells=files_of_panels("comparisons", "cluster_cells.tsv"),
    output:
        png=report(
            f"{PAGE}/figure.png",
            caption="../workflow/report/page.rst",
            category=report_category,
            labels=report_labels("all panels"),
        ),
        svg=f"{PAGE}/figure.svg",
        pdf=f"{PAGE}/figure.pdf",
        trajectories=f"{PAGE}/trajectories.tsv",
        trajectories_columns=f"{PAGE}/trajectories.json",
        differences=f"{PAGE}/group_differences.tsv",
        differences_columns=f"{PAGE}/group_differences.json",
        record=f"{PAGE}/draw_page.record.json",
    log:
        f"{PAGE}/draw_page.log",
    benchmark:
        f"{PAGE}/draw_page.benchmark.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        title=of_experiment("title"),
        panel_titles=lettered_panel_titles,
        models=lambda wildcards: lettered_panels(wildcards, "models"),
        comparisons=lambda wildcards: lettered_panels(wildcards, "comparisons"),
        code=code_of("draw_page"),
        environment=pins_of("figures"),
    message:
        "Drawing the page of {wildcards.experiment}, seed {wildcards.seed}"
    script:
        "../scripts/draw_page.py"
