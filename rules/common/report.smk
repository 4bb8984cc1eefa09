# Everything that is drawn, and where it stands in the report.
from neurospect.provenance.tags import read_recipe


def figures_of_saliency():
    """Every figure of every saliency experiment, and the chain of each."""
    figures = []
    for name, chosen in SETTINGS.saliency.items():
        at = {"cohort": chosen.cohort, "experiment": name}
        asked = {
            "criteria": True,
            "temperatures": chosen.criteria.temperatures,
            "regularisation": chosen.penalised,
            "sanity_checks": chosen.sanity_checks,
            "removal": chosen.removal,
        }
        of_seeds = DECODERS_OF_SEEDS.format(**at)
        figures += [
            f"{of_seeds}/{figure}" for figure, wanted in asked.items() if wanted
        ]
        figures += collect(
            f"{DECODERS.format(**at)}/seed-{{seed}}/example_maps",
            seed=SETTINGS.config.seeds,
        )
        if is_in_space(chosen):
            of_decoder = DECODER.format(**at, decoder="{decoder}", seed="{seed}")
            figures += collect(
                f"{of_decoder}/brain_maps",
                decoder=list(chosen.decoders),
                seed=SETTINGS.config.seeds,
            )
    return collect("{figure}{suffix}", figure=figures, suffix=[".png", ".chain.html"])


def tables_of_saliency():
    """What is made of every saliency experiment: the tables of all its decoders together."""
    tables = []
    for name, chosen in SETTINGS.saliency.items():
        asked = {
            "criteria": True,
            "accuracy": True,
            "temperature": True,
            "temperatures": chosen.criteria.temperatures,
            "baselines": chosen.baselines,
            "regularisation": chosen.penalised,
            "sanity_checks": chosen.sanity_checks,
            "retraining": chosen.removal,
            "removal_curves": chosen.removal,
            "mean_map_tests": chosen.significance,
        }
        summary = DECODERS.format(cohort=chosen.cohort, experiment=name)
        tables += [
            f"{summary}/{table}.tsv" for table, wanted in asked.items() if wanted
        ]
    return tables


def figures_of_all_experiments():
    """Every panel and page, and the chain of each."""
    figures = []
    for name, chosen in SETTINGS.experiments.items():
        for seed in SETTINGS.config.seeds:
            at = {"cohort": chosen.cohort, "experiment": name, "seed": seed}
            page, panels = PAGE.format(**at), PANEL.format(**at, panel="{panel}")
            figures.append(f"{page}/figure")
            figures += collect(f"{panels}/trajectories", panel=list(chosen.models))
            if chosen.spectra.over_ties:
                figures += collect(f"{panels}/ties", panel=list(chosen.models))
            figures += collect(
                f"{panels}/{{figure}}",
                figure=["group_differences", "effect_sizes"],
                panel=list(chosen.comparisons),
            )
        if len(SETTINGS.config.seeds) > 1:
            of_seeds = PANEL_OF_SEEDS.format(
                cohort=chosen.cohort, experiment=name, panel="{panel}"
            )
            figures += collect(
                f"{of_seeds}/seed_summary", panel=list(chosen.comparisons)
            )
    return collect("{figure}{suffix}", figure=figures, suffix=[".png", ".chain.html"])


def figures_of_all_cohorts():
    """What a cohort's preparation shows, and the chain of each figure."""
    shown_of = {"runs": ["mosaics", "quality"], "task maps": ["task_maps"], "array": []}
    figures = [
        f"{folder}/{name}".format(cohort=cohort)
        for cohort, kind in SETTINGS.cohorts.items()
        if cohort not in OF_NO_PEOPLE
        for folder, name in [
            *((PREPARED, name) for name in shown_of[kind]),
            (SPLITS, "splits"),
        ]
    ]
    pages = [
        f"{PREPARED}/participants.html".format(cohort=cohort)
        for cohort in SETTINGS.cohorts
        if cohort not in OF_NO_PEOPLE
    ]
    suffixes = [".png", ".chain.html"]
    return pages + collect("{figure}{suffix}", figure=figures, suffix=suffixes)


def report_category(wildcards):
    chosen = experiment(wildcards)
    return f"Figure {chosen.figure}: {chosen.title}"


def report_labels(kind):
    """Labels of a figure in the report; evaluated when the report is made."""

    def labels(wildcards, output):
        return {
            "panel": wildcards.get("panel", wildcards.get("decoder", "all")),
            "shows": kind.format(**wildcards),
            "seed": wildcards.get("seed", "all"),
            "recipe": (read_recipe(output.png) or "not made by a recorded job")[:12],
        }

    return labels


def cohort_title(wildcards):
    return f"Cohort {wildcards.cohort}"


preparation_category = cohort_title


def preparation_labels(kind):
    """Labels of a figure of a cohort's preparation."""

    def labels(wildcards, output):
        recipe = read_recipe(output.png) or "not made by a recorded job"
        return {"shows": kind, "recipe": recipe[:12]}

    return labels


def category_of_place(wildcards):
    """Category of a chain, by its folder: COHORT/prepared or COHORT/EXPERIMENT/PANEL/seed-N."""
    cohort, folder, *rest = wildcards.place.split("/")
    if not rest:
        return f"Cohort {cohort}"
    chosen = EXPERIMENTS[folder]
    return f"Figure {chosen.figure}: {chosen.title}"


def chain_labels(wildcards):
    """Labels of a figure's chain, in line with those of the figure."""
    _, _, *rest = wildcards.place.split("/")
    if not rest:
        return {"shows": f"where {wildcards.figure} came from", "recipe": ""}
    panel, seed = rest
    return {
        "panel": "all" if panel in ("page", "summary") else panel,
        "shows": f"where {wildcards.figure.replace('_', ' ')} came from",
        "seed": "all" if seed == "seeds" else seed.removeprefix("seed-"),
        "recipe": "",
    }
