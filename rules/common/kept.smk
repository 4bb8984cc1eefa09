# What lies behind the figures. It is asked for like them, so that what is lost of it comes back: by
# itself, Snakemake does not miss a model where the figure of it is there.


def results_of_cohorts():
    """Prepared arrays and splits of every cohort."""
    made_by = {
        "runs": [rules.prepare_references, rules.gather_components],
        "task maps": [rules.gather_task_maps],
        "array": [rules.prepare_cohort],
    }
    files = []
    for cohort, kind in SETTINGS.cohorts.items():
        for job in (*made_by[kind], rules.split_participants):
            files += outputs_of(job, cohort=cohort)
    for cohort in {chosen.cohort: None for chosen in EXPERIMENTS.values()}:
        if cohort in OF_VOLUMES:
            files += outputs_of(rules.residualise_volumes, cohort=cohort)
    return files


def results_of_panels():
    """Models, spectra and tests of every panel."""
    files = []
    for name, chosen in SETTINGS.experiments.items():
        at = of_every_training(name, chosen)
        panels = list(chosen.comparisons)
        retrained = [panel for panel in panels if is_retrained(chosen, panel)]
        files += outputs_of(rules.train, **at, panel=list(chosen.models))
        files += outputs_of(rules.permute_labels, **at, panel=panels)
        files += outputs_of(rules.gather_retrainings, **at, panel=retrained)
        files += outputs_of(rules.test_group_differences, **at, panel=panels)
    return files


def results_of_decoders():
    """Models, maps and tables of every decoder."""
    files = []
    for name, chosen in SETTINGS.saliency.items():
        at = of_every_training(name, chosen)
        decoders = list(chosen.decoders)
        asked = {
            rules.scan_temperatures: chosen.criteria.temperatures,
            rules.check_sanity: chosen.sanity_checks,
            rules.remove_and_retrain: chosen.removal,
            rules.test_mean_maps: chosen.significance,
        }
        for job in (rules.train_decoder, rules.map_saliency):
            files += outputs_of(job, **at, decoder=[*decoders, *chosen.penalised])
        for job in those_wanted(asked):
            files += outputs_of(job, **at, decoder=decoders)
    return files
