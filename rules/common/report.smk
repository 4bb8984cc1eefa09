# Everything that is drawn, and where it stands in the report.
from neurospect.provenance.tags import read_recipe


def figures_of_saliency():
    """Every figure of every saliency experiment, and the chain of each."""
    files = []
    for name, chosen in SETTINGS.saliency.items():
        at = of_every_training(name, chosen)
        sweeps = {
            "temperatures": chosen.criteria.temperatures,
            "regularisation": chosen.penalised,
        }
        asked = {
            rules.draw_criteria: True,
            rules.draw_sanity: chosen.sanity_checks,
            rules.draw_removal: chosen.removal,
            rules.draw_example_maps: True,
            rules.draw_brain_maps: is_in_space(chosen),
        }
        for job in those_wanted(asked):
            files += outputs_of(job, **at, decoder=list(chosen.decoders))
        files += outputs_of(rules.draw_sweep, **at, sweep=those_wanted(sweeps))
    return with_chains(files)


def tables_of_saliency():
    """What is made of every saliency experiment: the tables of all its decoders together."""
    files = []
    for name, chosen in SETTINGS.saliency.items():
        at = of_every_training(name, chosen)
        summarised = {
            "accuracy": True,
            "temperature": True,
            "temperatures": chosen.criteria.temperatures,
            "sanity_checks": chosen.sanity_checks,
            "retraining": chosen.removal,
            "removal_curves": chosen.removal,
            "mean_map_tests": chosen.significance,
        }
        asked = {
            rules.test_criteria: True,
            rules.score_baselines: chosen.baselines,
            rules.sweep_penalties: chosen.penalised,
        }
        for job in those_wanted(asked):
            files += outputs_of(job, **at)
        tables = those_wanted(summarised)
        files += outputs_of(rules.summarise_decoders, **at, table=tables)
    return files


def figures_of_all_experiments():
    """Every panel and page, and the chain of each."""
    files = []
    for name, chosen in SETTINGS.experiments.items():
        at = of_every_training(name, chosen)
        models, comparisons = list(chosen.models), list(chosen.comparisons)
        files += outputs_of(rules.draw_page, **at)
        files += outputs_of(rules.draw_trajectories, **at, panel=models)
        if chosen.spectra.over_ties:
            files += outputs_of(rules.draw_ties, **at, panel=models)
        of_comparisons = [rules.draw_group_differences, rules.draw_effect_sizes]
        if len(SETTINGS.config.seeds) > 1:
            of_comparisons += [rules.summarise_seeds, rules.draw_seed_summary]
        for job in of_comparisons:
            files += outputs_of(job, **at, panel=comparisons)
    return with_chains(files)


def figures_of_all_cohorts():
    """What a cohort's preparation shows, and the chain of each figure."""
    shown_of = {
        "runs": [rules.draw_component_mosaics, rules.draw_component_quality],
        "task maps": [rules.draw_task_maps],
        "array": [rules.list_participants],
    }
    files = []
    for cohort, kind in SETTINGS.cohorts.items():
        if cohort not in OF_NO_PEOPLE:
            for job in (*shown_of[kind], rules.draw_splits):
                files += outputs_of(job, cohort=cohort)
    return with_chains(files)


def with_chains(files):
    """The files, and beside each figure among them its chain."""
    figures = [file.removesuffix(".png") for file in files if file.endswith(".png")]
    return files + collect(
        "{figure}.chain.{suffix}", figure=figures, suffix=["html", "record.json"]
    )


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
