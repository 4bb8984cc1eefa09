"""What the settings of a cohort that is used must agree on, with each other and with the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from neurospect.errors import BadInputError
from neurospect.settings.faults import did_you_mean
from neurospect.settings.layers import Place, Stated

# Arrays that a prepared cohort holds; a model reads one of them.
ONE_ARRAY = ("array",)
OF_RUNS = ("time_courses", "spatial_maps")
OF_TASK_MAPS = ("task_maps",)
ARRAYS = {
    "mnist": ONE_ARRAY,
    "sinusoid": ONE_ARRAY,
    "synthetic-tasks": ONE_ARRAY,
    "block-digits": ONE_ARRAY,
    "simulated-rest": OF_RUNS,
    "cobre": OF_RUNS,
    "bids": OF_RUNS,
    "simulated-hcp": OF_TASK_MAPS,
    "hcp": OF_TASK_MAPS,
    "simulated-freesurfer": ONE_ARRAY,
    "freesurfer": ONE_ARRAY,
}
SIMULATED_COVARIATES = ("age", "sex", "site")
CohortKind = Literal["array", "runs", "task maps"]


def kind_of_cohort(cohort: str, abide_source: str) -> CohortKind:
    """Say what a cohort is prepared from: an array, 4-D runs, or task maps."""
    arrays = arrays_of(cohort, abide_source)
    if arrays == OF_RUNS:
        return "runs"
    return "task maps" if arrays == OF_TASK_MAPS else "array"


def arrays_of(cohort: str, abide_source: str) -> tuple[str, ...]:
    """Names of the arrays that a cohort holds; those of ABIDE depend on its source."""
    if cohort == "abide":
        return OF_RUNS if abide_source == "runs" else ONE_ARRAY
    return ARRAYS[cohort]


def faults_of_cohort(config: Stated, cohort: str) -> Iterator[BadInputError]:
    """Name what does not fit together in the settings of a cohort that is used."""
    if cohort in ("freesurfer", "simulated-freesurfer"):
        yield from _covariates(config, cohort)
    if cohort == "freesurfer":
        yield from _freesurfer(config)
    elif cohort == "hcp":
        yield from _needed(config, cohort, "folder", "the folder with one folder per subject")
        yield from _needed(config, cohort, "unrestricted", "the CSV of the unrestricted data")
        yield from _existing(config, ("cohorts", cohort, "restricted"))
    elif cohort in ("cobre", "bids", "abide"):
        yield from _needed(config, cohort, "folder", "the folder of the cohort")
    source = ("cohorts", "abide", "source")
    kind = kind_of_cohort(cohort, config[source]) if config.sound(source) else "array"
    if kind == "runs":
        yield from _components(config)
    if kind == "task maps":
        yield from _existing(config, ("task_maps", "mask"))
    yield from _sizes_and_balance(config, cohort)


def known_classes(config: Stated, cohort: str) -> dict[str, list[str]] | None:
    """Return the columns of classes of a cohort that its settings decide, and their levels.

    A column without levels is one whose levels the settings fail to say; None stands for a cohort
    whose classes are in its tables only.
    """
    names: Place = ("cohorts", cohort, "classes")
    levels = (
        [class_name(value) for value in config[names]]
        if cohort in ("mnist", "sinusoid", "block-digits") and config.sound(names)
        else []
    )
    if cohort == "sinusoid":
        by: Place = ("cohorts", cohort, "classes_by")
        return {config[by]: levels} if config.sound(by) else None
    known = {
        "mnist": {"digit": levels},
        "block-digits": {"digit": levels, "signal": ["upper", "lower"]},
        "synthetic-tasks": {"task": ["A", "B", "C"]},
    }
    return known.get(cohort)


def faults_of_array(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    """Name an array that the experiment's cohort does not hold."""
    source = ("cohorts", "abide", "source")
    if not experiment.sound(("cohort",), ("array",)) or not config.sound(source):
        return
    known = arrays_of(experiment["cohort",], config[source])
    wanted = experiment.values.get("array")
    if wanted not in known and not (wanted is None and len(known) == 1):
        yield experiment.fault(
            ("array",),
            found=wanted or "nothing",
            expected=f"an array of cohort {experiment['cohort',]} ({', '.join(known)})",
            remedy=did_you_mean(wanted or "", known) or "Say which array models read.",
        )


def _needed(config: Stated, cohort: str, key: str, what: str) -> Iterator[BadInputError]:
    place = ("cohorts", cohort, key)
    if config.sound(place) and config[place] is None:
        yield config.fault(
            place,
            found="nothing",
            expected=what,
            remedy="docs/cohorts.md says how to get the data and where files go.",
        )
    yield from _existing(config, place)


def _existing(config: Stated, place: Place) -> Iterator[BadInputError]:
    if not config.sound(place) or config[place] is None:
        return
    path, is_folder = Path(config[place]), place[-1] == "folder"
    if not (path.is_dir() if is_folder else path.is_file()):
        yield config.fault(
            place,
            found=f"{path}, which is not a {'folder' if is_folder else 'file'}",
            expected=f"a {'folder' if is_folder else 'file'} that exists",
            remedy="Mend the path; it starts from the working directory.",
        )


def _components(config: Stated) -> Iterator[BadInputError]:
    template = ("components", "template")
    if config.sound(template) and config[template] != "stand-in":
        yield from _existing(config, template)
    yield from _existing(config, ("components", "labels"))
    yield from _existing(config, ("components", "mask"))
    high, low = (("components", "time_courses", f"{end}_pass_hz") for end in ("high", "low"))
    if not config.sound(high, low) or config[high] is None or config[low] is None:
        return
    if config[high] >= config[low]:
        yield config.fault(
            low,
            found=config[low],
            expected=f"more than high_pass_hz ({config[high]:g})",
            remedy="Frequencies between high_pass_hz and low_pass_hz are kept.",
        )


def _sizes_and_balance(config: Stated, cohort: str) -> Iterator[BadInputError]:
    place: Place = ("splits", "stratify_by")
    if config.sound(place) and cohort in config[place]:
        columns = config[place][cohort]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice or not columns:
            yield config.fault(
                (*place, cohort),
                found=f"{', '.join(twice)} more than once" if twice else "no column",
                expected="columns of participants.tsv, each once",
                remedy="Remove the repetition, or the entry.",
            )
    yield from _sizes_of_simulated(config, cohort)


def _sizes_of_simulated(config: Stated, cohort: str) -> Iterator[BadInputError]:
    """Name numbers that do not sum to the images of a cohort that is made anew."""
    sizes, per_class = ("splits", "sizes"), ("cohorts", cohort, "per_class")
    if cohort not in ("synthetic-tasks", "block-digits", "sinusoid"):
        return
    if not config.sound(sizes, per_class) or cohort not in config[sizes]:
        return
    classes = next(iter((known_classes(config, cohort) or {"": []}).values()))
    asked, made = sum(config[*sizes, cohort].values()), len(classes) * config[per_class]
    if classes and asked != made:
        yield config.fault(
            (*sizes, cohort),
            found=f"numbers that sum to {asked}",
            expected=f"{made}, {config[per_class]} of each of {len(classes)} classes",
            remedy=f"Mend them, or cohorts.{cohort}.per_class.",
        )


def _freesurfer(config: Stated) -> Iterator[BadInputError]:
    folder, table = (("cohorts", "freesurfer", key) for key in ("folder", "table"))
    if config.sound(folder, table) and (config[folder] is None) == (config[table] is None):
        yield config.fault(
            folder,
            found="neither folder nor table" if config[folder] is None else "folder and table",
            expected="one of the two",
            remedy="Give the folder of <subject>/stats, or the table that asegstats2table wrote.",
        )
    yield from _existing(config, folder)
    yield from _existing(config, table)
    yield from _needed(config, "freesurfer", "participants", "the table of participants")


def _covariates(config: Stated, cohort: str) -> Iterator[BadInputError]:
    chosen, levels = (("cohorts", cohort, key) for key in ("covariates", "categorical"))
    if cohort == "simulated-freesurfer" and config.sound(chosen):
        unknown = [name for name in config[chosen] if name not in SIMULATED_COVARIATES]
        if unknown:
            yield config.fault(
                chosen,
                found=", ".join(unknown),
                expected=f"some of {', '.join(SIMULATED_COVARIATES)}",
                remedy="Name what the simulated participants have.",
            )
    if config.sound(chosen, levels):
        strangers = [name for name in config[levels] if name not in config[chosen]]
        if strangers:
            yield config.fault(
                levels,
                found=", ".join(strangers),
                expected=f"some of the covariates ({', '.join(config[chosen]) or 'none'})",
                remedy="Name them under covariates, too.",
            )


def faults_of_mnist(config: Stated) -> Iterator[BadInputError]:
    """Name a missing folder of IDX files."""
    source, folder = ("cohorts", "mnist", "source"), ("cohorts", "mnist", "folder")
    if not config.sound(source, folder) or config[source] == "packaged":
        return
    if config[folder] is None:
        yield config.fault(
            folder,
            found="nothing",
            expected=f"a folder, for source {config[source]}",
            remedy="Say where the four IDX files are to lie, or use source: packaged.",
        )
    elif config[source] == "idx" and not Path(config[folder]).is_dir():
        yield config.fault(
            folder,
            found=f"{config[folder]}, which is not a folder",
            expected="the folder of the four IDX files",
            remedy="Mend the path, or use source: packaged.",
        )


def faults_of_sinusoid(config: Stated) -> Iterator[BadInputError]:
    """Name frequencies that the sampling rate cannot hold, or that do not go with the classes."""
    by, classes, one, rate = (
        ("cohorts", "sinusoid", key)
        for key in ("classes_by", "classes", "frequency_hz", "sampling_rate_hz")
    )
    if not config.sound(by, one):
        return
    is_phase = config[by] == "phase"
    if is_phase != (config[one] is not None):
        yield config.fault(
            one,
            found="nothing" if is_phase else config[one],
            expected="the one frequency of all classes" if is_phase else "null",
            remedy=f"classes_by is {config[by]}: mend one of the two.",
        )
        return
    if not config.sound(classes, rate):
        return
    frequencies: Sequence[float] = [config[one]] if is_phase else config[classes]
    outside = [f"{hertz:g}" for hertz in frequencies if not 0 < hertz < config[rate] / 2]
    if outside:
        yield config.fault(
            one if is_phase else classes,
            found=f"{', '.join(outside)} Hz",
            expected=f"between 0 and {config[rate] / 2:g} Hz, half of sampling_rate_hz",
            remedy="Lower the frequency, or raise sampling_rate_hz.",
        )


def class_name(value: str | float) -> str:
    """Name a class as the cohort's table will."""
    return value if isinstance(value, str) else np.format_float_positional(value, trim="-")
