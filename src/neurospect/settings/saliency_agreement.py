"""What the settings of a saliency experiment must agree on with each other and with the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurospect.errors import BadInputError
from neurospect.settings.agreement import faults_of_architecture, repetitions
from neurospect.settings.cohort_agreement import (
    faults_of_array,
    kind_of_cohort,
    known_classes,
)
from neurospect.settings.faults import did_you_mean
from neurospect.settings.layers import Place, Stated
from neurospect.settings.saliency_models import LINEAR_METHODS, TRAINING_OPTIONS

# What is made of all decoders together lies beside them.
RESERVED_DECODER = "summary"
NOISE_OPTIONS = tuple(dict.fromkeys(name for own in TRAINING_OPTIONS.values() for name in own))


def faults_of_saliency(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    """Name what does not fit together in a saliency experiment, or in it and its cohort."""
    decoders = experiment.values.get("decoders")
    for name in decoders if isinstance(decoders, Mapping) else ():
        if isinstance(name, str):
            yield from _decoder(experiment, name)
    for place in (
        ("criteria", "temperatures"),
        ("regularisation", "penalties"),
        ("removal", "fractions"),
    ):
        if isinstance(_value(experiment, place), list):
            yield from repetitions(experiment, place)
    yield from _micro_batches(experiment)
    yield from _maps(experiment)
    yield from _removal(experiment)
    yield from _mask(experiment)
    yield from _templates(experiment, config)
    yield from _target(experiment, config)
    yield from faults_of_array(experiment, config)


def _decoder(experiment: Stated, name: str) -> Iterator[BadInputError]:
    place: Place = ("decoders", name)
    if name == RESERVED_DECODER:
        yield experiment.fault(
            place,
            found="the name of what all decoders make together",
            expected="another name",
            remedy="Rename the decoder.",
        )
    family, training = (
        _value(experiment, (*place, "model")),
        _value(experiment, (*place, "training")),
    )
    if experiment.sound((*place, "model")):
        yield from faults_of_architecture(experiment, place, family)
        yield from _linear_maps(experiment, place, family)
    if isinstance(_value(experiment, (*place, "maps")), list):
        yield from repetitions(experiment, (*place, "maps"))
    if experiment.sound((*place, "training")):
        yield from _noise(experiment, place, training or "plain")


def _noise(experiment: Stated, place: Place, training: str) -> Iterator[BadInputError]:
    """Name options that the way of training does not take, or a radius that it lacks."""
    known = TRAINING_OPTIONS[training]
    for name in NOISE_OPTIONS:
        stated = _value(experiment, (*place, name)) is not None
        if stated and name not in known:
            yield experiment.fault(
                (*place, name),
                found=f"an option that training: {training} does not have",
                expected=f"some of {', '.join(known)}" if known else "none",
                remedy="Leave it out, or choose another way of training.",
            )
    if "epsilon" in known and _value(experiment, (*place, "epsilon")) is None:
        yield experiment.fault(
            (*place, "epsilon"),
            found="nothing",
            expected=f"the radius of the noise, for training: {training}",
            remedy="Add the key; the paper: 1 on synthetic images, 95 on HCP's 902,629 voxels.",
        )


def _micro_batches(experiment: Stated) -> Iterator[BadInputError]:
    place, whole = ("training", "micro_batch_size"), ("training", "batch_size")
    size, of = _value(experiment, place), _value(experiment, whole)
    if size is None or of is None or not experiment.sound(place, whole):
        return
    if size > of:
        yield experiment.fault(
            place,
            found=size,
            expected=f"batch_size ({of}) or less, of which it is a part",
            remedy="Make it smaller, or leave it out.",
        )


def _linear_maps(experiment: Stated, place: Place, family: str) -> Iterator[BadInputError]:
    """Name maps of linear models that are asked of another, or that the experiment lacks."""
    chosen = (*place, "maps")
    wanted = _value(experiment, chosen)
    if not isinstance(wanted, list) or not experiment.sound(chosen, ("maps",)):
        return
    not_linear = [name for name in wanted if name in LINEAR_METHODS and family != "linear"]
    if not_linear:
        yield experiment.fault(
            chosen,
            found=f"{', '.join(not_linear)}, of a decoder of family {family}",
            expected="maps that are made of inputs, such as gradient",
            remedy="Only a linear decoder has weights and patterns that are maps: leave them out.",
        )
    made = _made(experiment)
    absent = [name for name in wanted if name not in made]
    if absent:
        yield experiment.fault(
            chosen,
            found=f"{', '.join(absent)}, not among the experiment's maps",
            expected=f"some of {', '.join(made) or 'none'}",
            remedy=did_you_mean(absent[0], made) or "Name it under maps of the experiment, too.",
        )


def _maps(experiment: Stated) -> Iterator[BadInputError]:
    if not experiment.sound(("maps",), ("decoders",)):
        return
    made = _made(experiment)
    families = {own.get("model") for own in experiment["decoders",].values()}
    if not made:
        yield experiment.fault(
            ("maps",),
            found="no map",
            expected="at least one method with its options",
            remedy="Name one, as in gradient: {}.",
        )
    for method in LINEAR_METHODS:
        if method in made and "linear" not in families:
            yield experiment.fault(
                ("maps", method),
                found="maps of linear decoders, and no decoder that is one",
                expected="a decoder with model: linear",
                remedy="Leave the method out, or add such a decoder.",
            )


def _removal(experiment: Stated) -> Iterator[BadInputError]:
    place = ("removal", "method")
    if not experiment.sound(place, ("maps",)) or not _value(experiment, ("removal",)):
        return
    method, made = _value(experiment, place) or "gradient", _made(experiment)
    if method not in made:
        yield experiment.fault(
            place,
            found=method,
            expected=f"one of the experiment's maps ({', '.join(made) or 'none'})",
            remedy="Name one of these, or add it to maps.",
        )


def _mask(experiment: Stated) -> Iterator[BadInputError]:
    place = ("criteria", "mask")
    mask = _value(experiment, place)
    if mask is None or not experiment.sound(place):
        return
    if not Path(mask).is_file() or not mask.endswith((".nii", ".nii.gz", ".npy")):
        yield experiment.fault(
            place,
            found=f"{mask}, which is no such file",
            expected="a file that exists, .nii, .nii.gz or .npy",
            remedy="Mend the path; it starts from the working directory.",
        )


def _templates(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    place, source = ("criteria", "templates"), ("cohorts", "abide", "source")
    if not experiment.sound(place, ("cohort",)) or not config.sound(source):
        return
    cohort = experiment["cohort",]
    if experiment[place] == "subject" and kind_of_cohort(cohort, config[source]) != "task maps":
        yield experiment.fault(
            place,
            found="subject",
            expected=f"all: participants of cohort {cohort} have one example each",
            remedy="Use all, or a cohort of task maps.",
        )


def _target(experiment: Stated, config: Stated) -> Iterator[BadInputError]:
    """Name a target that is no class of the cohort, where these are known before it is made."""
    if not experiment.sound(("cohort",), ("target",)):
        return
    known = known_classes(config, experiment["cohort",])
    if known is not None and experiment["target",] not in known:
        yield experiment.fault(
            ("target",),
            found=experiment["target",],
            expected=f"the column of classes of cohort {experiment['cohort',]}, "
            f"{' or '.join(known)}",
            remedy="Mend the name, or the settings of the cohort.",
        )


def _made(experiment: Stated) -> list[str]:
    """Methods of which the experiment makes maps."""
    maps = experiment.values.get("maps", {"gradient": {}})
    return [name for name, options in maps.items() if options is not None]


def _value(stated: Stated, place: Place) -> Any:
    """Value at a place, None where there is none."""
    try:
        return stated[place]
    except (KeyError, IndexError, TypeError):
        return None
