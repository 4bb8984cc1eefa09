"""What settings must agree on with each other and with the file system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from neurospect.errors import BadInputError
from neurospect.settings.architectures import ARCHITECTURE_SETTINGS, ONLY_CLASSIFIES
from neurospect.settings.cohort_agreement import (
    faults_of_array,
    faults_of_mnist,
    faults_of_sinusoid,
    known_classes,
)
from neurospect.settings.faults import did_you_mean
from neurospect.settings.layers import Place, Stated
from neurospect.settings.models import kind_of_panel

# The figures' page lies beside the panels.
RESERVED_PANEL = "page"
# Folders beside results, whose files are not results.
OF_THE_WORKFLOW = (
    *(".git", ".snakemake", ".venv", "benchmarks", "config", "docs", "envs"),
    *("rules", "scripts", "src", "tests", "workflow"),
)
# Families that use each weight once.
WITHOUT_TIES = ("linear", "mlp")
SHARES: tuple[Place, ...] = (("splits", "training"), ("splits", "validation"), ("splits", "test"))


def faults_of_config(config: Stated) -> Iterator[BadInputError]:
    """Name what does not fit together in a configuration, experiments left aside."""
    for place in (
        ("experiments",),
        ("prepare",),
        ("splits", "assume_unrelated"),
        ("seeds",),
        ("cohorts", "mnist", "classes"),
        ("cohorts", "sinusoid", "classes"),
        ("cohorts", "block-digits", "classes"),
    ):
        yield from repetitions(config, place)
    yield from _something_to_do(config)
    yield from _experiments_folder(config)
    yield from _overrides_of_nothing(config)
    yield from _names_of_folders(config)
    yield from _results(config)
    yield from _shares(config)
    yield from faults_of_mnist(config)
    yield from faults_of_sinusoid(config)


def faults_of_experiment(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    """Name what does not fit together in an experiment, or in it and its cohort."""
    yield from repetitions(experiment, ("groups", "levels"))
    yield from _panels(experiment)
    yield from _factors(experiment)
    yield from _ties(experiment)
    yield from _relabelings(experiment)
    yield from _strata(experiment)
    yield from faults_of_array(experiment, config)
    yield from _classes(experiment, config)


def repetitions(stated: Stated, place: Place) -> Iterator[BadInputError]:
    """Name what stands twice in the list at a place."""
    if any(place[: len(wrong)] == wrong for wrong in stated.faulty):
        return
    values = stated[place]
    twice = list(dict.fromkeys(str(value) for value in values if values.count(value) > 1))
    if twice:
        yield stated.fault(
            place,
            found=f"{', '.join(twice)} more than once",
            expected="each once",
            remedy="Remove the repetition.",
        )


def _something_to_do(config: Stated) -> Iterator[BadInputError]:
    run, prepared = ("experiments",), ("prepare",)
    if config.sound(run, prepared) and not config[run] and not config[prepared]:
        yield config.fault(
            run,
            found="nothing to run and nothing to prepare",
            expected="an experiment here, or a cohort under prepare",
            remedy="Name at least one.",
        )


def _experiments_folder(config: Stated) -> Iterator[BadInputError]:
    place = ("experiments_folder",)
    if config.sound(place) and not Path(config[place]).is_dir():
        config.faulty.add(place)
        yield config.fault(
            place,
            found=f"{config[place]}, which is not a folder",
            expected="the folder of the experiment files",
            remedy="Mend the path; it starts from the working directory.",
        )


def _overrides_of_nothing(config: Stated) -> Iterator[BadInputError]:
    if not config.sound(("experiments",)) or not isinstance(config.values["overrides"], Mapping):
        return
    run = config["experiments",]
    for name in config["overrides",]:
        is_named = isinstance(name, str) and config.sound(("overrides", name))
        if is_named and name not in run:
            yield config.fault(
                ("overrides", name),
                found="an experiment that is not run",
                expected=f"one of {', '.join(run)}" if run else "none, as no experiment is run",
                remedy=did_you_mean(name, run) or "Name it under experiments, too.",
            )


def _names_of_folders(config: Stated) -> Iterator[BadInputError]:
    """Name folders of outputs that Snakemake would take for something else, or not at all."""
    places: list[Place] = [("results",)]
    source = ("cohorts", "mnist", "source")
    if config.sound(source) and config[source] == "openml":
        places.append(("cohorts", "mnist", "folder"))
    for place in places:
        name = config.sound(place) and config[place]
        if not name:
            continue
        if not {"{", "}"}.isdisjoint(name):
            expected = "a folder whose name has no braces, which stand for wildcards"
            remedy = "Rename the folder."
        elif min(name) < " ":
            expected = "a folder whose name has no control characters"
            remedy = "Rename the folder; in YAML, plain text without quotes has none."
        elif name.startswith("~"):
            expected = "a path without ~, which only a shell takes for a home directory"
            remedy = "Write the whole path, from / on."
        else:
            continue
        config.faulty.add(place)
        found = name if name.isprintable() else ascii(name)
        yield config.fault(place, found=found, expected=expected, remedy=remedy)


def _results(config: Stated) -> Iterator[BadInputError]:
    if not config.sound(("results",)):
        return
    folder = Path(config["results",]).absolute()
    real = Path(os.path.realpath(folder))
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    expected = "a folder that can be written"
    if Path.cwd().is_relative_to(real):
        expected = "a folder of its own"
        blocked = f"{real} holds the folder in which you work"
    elif real.name in OF_THE_WORKFLOW and (real.parent / "workflow/Snakefile").is_file():
        expected = "a folder of its own"
        blocked = f"{real} is a folder of the workflow itself"
    elif not nearest.is_dir():
        blocked = f"{nearest} is not a folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        blocked = f"no permission to write into {nearest}"
    else:
        return
    yield config.fault(
        ("results",),
        found=f"{config['results',]}: {blocked}",
        expected=expected,
        remedy="Give another folder, or mend its permissions.",
    )


def _shares(config: Stated) -> Iterator[BadInputError]:
    if not config.sound(*SHARES):
        return
    total = sum(config[place] for place in SHARES)
    if abs(total - 1) > 1e-9:
        yield config.fault(
            ("splits",),
            found=f"training, validation and test that sum to {total:g}",
            expected="shares that sum to 1",
            remedy="Mend one of them.",
        )


def _panels(experiment: Stated) -> Iterator[BadInputError]:
    panels = experiment.values.get("panels")
    if not isinstance(panels, dict):
        return
    panels = {name: panel for name, panel in panels.items() if isinstance(name, str)}
    if RESERVED_PANEL in panels:
        yield experiment.fault(
            ("panels", RESERVED_PANEL),
            found="the name of the figures' page",
            expected="another name",
            remedy="Rename the panel.",
        )
    models = [name for name, panel in panels.items() if kind_of_panel(panel) == "model"]
    for name in models:
        yield from _architecture(experiment, name)
    comparisons = [name for name in panels if name not in models]
    for name in comparisons:
        yield from _comparison(experiment, name, models)
    batch = ("training", "batch_size")
    if comparisons and experiment.sound(batch) and experiment[batch] is not None:
        yield experiment.fault(
            batch,
            found=experiment[batch],
            expected=f"null, since panel {comparisons[0]} compares groups in the full batch",
            remedy="Leave batch_size out, or the comparisons.",
        )


def _architecture(experiment: Stated, panel: str) -> Iterator[BadInputError]:
    """Name what the family of models does not take."""
    place = ("panels", panel)
    if not experiment.sound(("model",), place):
        return
    family, stated = experiment["model",], experiment[place]
    yield from faults_of_architecture(experiment, place, family)
    if family in ONLY_CLASSIFIES and stated["task"] != "classification":
        yield experiment.fault(
            (*place, "task"),
            found=stated["task"],
            expected=f"classification, all that {family} learns",
            remedy="Choose another family of models, or task.",
        )


def faults_of_architecture(
    experiment: Stated, place: Place, family: str
) -> Iterator[BadInputError]:
    """Name the settings of the model at a place that its family does not take."""
    known, stated = ARCHITECTURE_SETTINGS[family], experiment[place]
    own = [name for name in ("widths", "activation") if stated.get(name) is not None]
    others = stated.get("architecture")
    for name in [*own, *(others if isinstance(others, Mapping) else ())]:
        if isinstance(name, str) and name not in known:
            inside = () if name in own else ("architecture",)
            yield experiment.fault(
                (*place, *inside, name),
                found=f"a setting that {family} does not have",
                expected=f"some of {', '.join(known)}" if known else "none",
                remedy=did_you_mean(name, known) or "Leave it out.",
            )


def _comparison(experiment: Stated, panel: str, models: list[str]) -> Iterator[BadInputError]:
    compares, groups = ("panels", panel, "compares"), ("panels", panel, "groups")
    if experiment.sound(compares) and experiment[compares] not in models:
        yield experiment.fault(
            compares,
            found=experiment[compares],
            expected=f"a panel with a model ({', '.join(models) or 'there is none'})",
            remedy=did_you_mean(experiment[compares], models) or "Name one of these.",
        )
    yield from repetitions(experiment, groups)
    levels = ("groups", "levels")
    if not experiment.sound(groups, levels):
        return
    strangers = [group for group in experiment[groups] if group not in experiment[levels]]
    if strangers:
        yield experiment.fault(
            groups,
            found=", ".join(strangers),
            expected=f"two of groups.levels ({', '.join(experiment[levels])})",
            remedy="Compare groups that are told apart.",
        )


def _factors(experiment: Stated) -> Iterator[BadInputError]:
    every, factors = ("spectra", "every"), ("spectra", "factors_every")
    if experiment.sound(every, factors) and experiment[factors] % experiment[every]:
        yield experiment.fault(
            factors,
            found=experiment[factors],
            expected=f"a multiple of spectra.every ({experiment[every]})",
            remedy="Mend one of the two.",
        )


def _ties(experiment: Stated) -> Iterator[BadInputError]:
    ties, model = ("spectra", "over_ties"), ("model",)
    if experiment.sound(ties, model) and experiment[ties] and experiment[model] in WITHOUT_TIES:
        yield experiment.fault(
            ties,
            found=f"true, for {experiment[model]}",
            expected="a model that uses its weights over time, tokens or the positions of a kernel",
            remedy="Leave over_ties out, or choose another family of models.",
        )


def _relabelings(experiment: Stated) -> Iterator[BadInputError]:
    alpha = ("permutation", "alpha")
    for name in ("permutations", "retrainings"):
        count = ("permutation", name)
        if not experiment.sound(count, alpha) or (name == "retrainings" and not experiment[count]):
            continue
        fewest = int(np.ceil(1 / experiment[alpha] - 1e-9)) - 1
        if experiment[count] < fewest:
            yield experiment.fault(
                count,
                found=experiment[count],
                expected=f"{fewest} or more, for a p value of {experiment[alpha]:g} to be possible",
                remedy=f"Ask for more {name}, or for a larger alpha.",
            )


def _strata(experiment: Stated) -> Iterator[BadInputError]:
    within, column = ("permutation", "within"), ("groups", "column")
    if not experiment.sound(within):
        return
    yield from repetitions(experiment, within)
    if experiment.sound(column) and experiment[column] in experiment[within]:
        yield experiment.fault(
            within,
            found=f"{experiment[column]}, the column of the groups",
            expected="columns whose values occur in both groups",
            remedy="Leave it out: inside one group there is nothing to exchange.",
        )


def _classes(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    """Target and groups must be classes of the cohort, known before it is made."""
    if not experiment.sound(("cohort",)):
        return
    cohort = experiment["cohort",]
    known = known_classes(config, cohort)
    if known is None:
        return
    for place in (("target",), ("groups", "column")):
        if experiment.sound(place) and experiment[place] not in known:
            yield experiment.fault(
                place,
                found=experiment[place],
                expected=f"the column of classes of cohort {cohort}, {' or '.join(known)}",
                remedy="Mend the name, or the settings of the cohort.",
            )
    column, levels = ("groups", "column"), ("groups", "levels")
    if not experiment.sound(column, levels):
        return
    # where the column is wrong, too, its levels are held against the classes of the first
    kept = known.get(experiment[column], next(iter(known.values())))
    strangers = [level for level in experiment[levels] if kept and level not in kept]
    if strangers:
        yield experiment.fault(
            levels,
            found=", ".join(strangers),
            expected=f"classes that cohort {cohort} keeps ({', '.join(kept)})",
            remedy="Mend the names, or the settings of the cohort.",
        )
