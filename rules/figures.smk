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


# Draw the group differences of a panel
# Step by rank, with the permutation threshold; the paper's t-tests beside it.
rule draw_group_differences:
    input:
        permutation_test=f"{PANEL}/permutation_test.tsv",
        t_tests=f"{PANEL}/t_tests.tsv",
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


# Draw a figure as one page
# All lettered panels of an experiment, side by side.
rule draw_page:
    input:
        spectra=files_of_panels("models", "spectra.nc"),
        permutation_tests=files_of_panels("comparisons", "permutation_test.tsv"),
    output:
        png=report(
            f"{PAGE}/figure.png",
            caption="../workflow/report/page.rst",
            category=report_category,
            labels=report_labels("all panels"),
        ),
        svg=f"{PAGE}/figure.svg",
        pdf=f"{PAGE}/figure.pdf",
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
