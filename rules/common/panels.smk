# Panels of spectra: models, comparisons of groups, and what pages show of them.
from math import ceil
from types import SimpleNamespace

ACTIVATION_NAMES = {
    "relu": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "elu": "ELU",
}


def of_panel(setting):
    """A setting of the panel, as in of_panel("widths")."""
    return lambda wildcards: getattr(
        experiment(wildcards).panels[wildcards.panel], setting
    )


def architecture_of_panel(wildcards):
    return experiment(wildcards).architecture(wildcards.panel)


def groups_compared_in_panel(wildcards):
    return experiment(wildcards).compared_groups(wildcards.panel)


def from_compared_panel(file):
    """A file of the panel whose model this panel looks at."""

    def path(wildcards):
        panel = experiment(wildcards).panels[wildcards.panel].compares
        return os.path.join(PANEL.format(**{**wildcards, "panel": panel}), file)

    return path


def of_every_seed(file):
    """One file of a panel for every seed."""
    return lambda wildcards: [
        f"{PANEL.format(**{**wildcards, 'seed': seed})}/{file}"
        for seed in SETTINGS.config.seeds
    ]


def of_compared_panel(setting):
    """What another input function says of the panel whose model this panel looks at."""

    def value(wildcards):
        panel = experiment(wildcards).panels[wildcards.panel].compares
        return setting(SimpleNamespace(**{**wildcards, "panel": panel}))

    return value


def retrainings_of_batch(wildcards):
    """Numbers of the retrainings of one job."""
    settings = experiment(wildcards).permutation
    every = range(1, settings.retrainings + 1)
    return in_batches(list(every), settings.retrainings_per_job)[int(wildcards.batch)]


def batches_of_retrainings(wildcards):
    settings = experiment(wildcards).permutation
    batches = ceil(settings.retrainings / settings.retrainings_per_job)
    folder = f"{PANEL}/retrainings".format(**wildcards)
    return [f"{folder}/batch-{number}.nc" for number in range(batches)]


def is_retrained(chosen, panel):
    """Whether a comparison is tested by retrainings: if wanted, where the model learnt classes."""
    compared = chosen.models[chosen.comparisons[panel].compares]
    return chosen.permutation.retrainings and compared.task == "classification"


def differences_to_test(wildcards):
    """From retrainings, or from relabelings of the training's own gradients."""
    retrained = is_retrained(experiment(wildcards), wildcards.panel)
    file = "retrained_differences.nc" if retrained else "permuted_differences.nc"
    return f"{PANEL}/{file}".format(**wildcards)


def panel_title(wildcards, name=None):
    """What a panel shows, in the papers' words: task, widths, activation."""
    chosen = experiment(wildcards)
    panel = chosen.panels[name or wildcards.panel]
    model = chosen.models[getattr(panel, "compares", name or wildcards.panel)]
    task = {"autoencoding": "Auto-encoding", "classification": "Classification"}[
        model.task
    ]
    activation = ACTIVATION_NAMES.get(model.activation)
    parts = [task, model.widths and str(model.widths), activation]
    return ", ".join(filter(None, parts))


def comparison_title(wildcards):
    """What a panel that compares groups shows; a page says the groups by itself."""
    groups = experiment(wildcards).panels[wildcards.panel].groups
    return f"{panel_title(wildcards)}: groups {' and '.join(groups)}"


def lettered_panels(wildcards, kind):
    """Panels of the page: those that the papers letter; variants with longer names stand alone."""
    return [name for name in getattr(experiment(wildcards), kind) if len(name) == 1]


def lettered_panel_titles(wildcards):
    """Titles by panel, in the order of the experiment's file."""
    names = [name for name in experiment(wildcards).panels if len(name) == 1]
    return {name: panel_title(wildcards, name) for name in names}


def files_of_panels(kind, file):
    """One file of each lettered panel; kind is "models" or "comparisons"."""
    return lambda wildcards: [
        f"{PANEL.format(**{**wildcards, 'panel': name})}/{file}"
        for name in lettered_panels(wildcards, kind)
    ]
