"""Made signals: sinusoids in noise, one class per frequency or one class per phase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from neurospect.cohorts.cohort import Cohort, describe
from neurospect.cohorts.cohort_checks import PARTICIPANT, check_settings
from neurospect.errors import BadInputError

ClassesBy = Literal["frequency", "phase"]


def make_sinusoid(
    classes_by: ClassesBy,
    classes: Sequence[float],
    per_class: int,
    length: int,
    sampling_rate_hz: float,
    noise_sd: float,
    seed: int,
    frequency_hz: float | None = None,
) -> Cohort:
    """Make sinusoids of amplitude one, sin(2π·frequency·t + phase), plus white Gaussian noise.

    Parameters
    ----------
    classes_by
        `"frequency"`: one class per frequency, each signal with its own random phase.
        `"phase"`: one class per phase, all signals with the frequency `frequency_hz`.
    classes
        Frequencies in Hz, or phases in radians.
    per_class
        Signals of each class.
    length
        Samples of each signal.
    sampling_rate_hz
        Samples a second.
    noise_sd
        Standard deviation of the noise, in units of the amplitude.
    seed
        Seed of the phases and the noise.
    frequency_hz
        The one frequency of all signals; only for `classes_by="phase"`.

    Returns
    -------
    Cohort
        Array of shape (classes · per_class, length); columns participant_id, `frequency` or
        `phase` (the class, as text), frequency_hz and phase_rad (the exact values).

    Raises
    ------
    BadInputError
        If a frequency is not between zero and half the sampling rate, two classes are the
        same, or a number makes no sense.
    """
    _check_numbers(classes_by, classes, per_class, length, sampling_rate_hz, noise_sd)
    frequencies = _common_or_class_frequencies(classes_by, classes, frequency_hz)
    for hertz in frequencies:
        if not 0 < hertz < sampling_rate_hz / 2:
            raise BadInputError(
                "make_sinusoid",
                "classes" if classes_by == "frequency" else "frequency_hz",
                found=f"{hertz} Hz",
                expected=f"between 0 and {sampling_rate_hz / 2} Hz, half the sampling rate",
                remedy="Choose a lower frequency or a higher sampling rate.",
            )
    generator = np.random.default_rng(seed)
    count = len(classes) * per_class
    frequency = np.repeat(np.asarray(frequencies, dtype=np.float64), per_class)
    if classes_by == "phase":
        phase = np.repeat(np.asarray(classes, dtype=np.float64), per_class)
    else:
        phase = generator.uniform(0.0, 2 * math.pi, count)
    seconds = np.arange(length) / sampling_rate_hz
    signal = np.sin(2 * math.pi * frequency[:, None] * seconds + phase[:, None])
    signal += noise_sd * generator.standard_normal(signal.shape)
    participants = pd.DataFrame(
        {
            PARTICIPANT: [f"signal-{number:05d}" for number in range(1, count + 1)],
            classes_by: np.repeat([_class_name(value) for value in classes], per_class),
            "frequency_hz": frequency,
            "phase_rad": phase,
        }
    )
    made = (
        f"Made {per_class} sinusoids of amplitude 1 for each {classes_by}, {length} samples at "
        f"{sampling_rate_hz} Hz, with Gaussian noise of standard deviation {noise_sd}, "
        f"drawn with seed {seed}."
    )
    description = _describe(classes_by, made, length, sampling_rate_hz)
    return Cohort(participants, signal.astype(np.float32), description)


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return no file: the signals are made, not read."""
    return []


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say where the raw files lie: there are none."""
    return {}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Make the cohort that the settings ask for: the arguments of `make_sinusoid`.

    Raises
    ------
    BadInputError
        If a setting is missing, unknown or out of range.
    """
    waves = ["classes_by", "classes", "per_class", "length", "sampling_rate_hz"]
    check_settings("sinusoid", settings, [*waves, "noise_sd", "seed"], optional="frequency_hz")
    return make_sinusoid(**settings)


def _check_numbers(
    classes_by: str,
    classes: Sequence[float],
    per_class: int,
    length: int,
    sampling_rate_hz: float,
    noise_sd: float,
) -> None:
    if classes_by not in ("frequency", "phase"):
        raise BadInputError(
            "make_sinusoid",
            "classes_by",
            found=repr(classes_by),
            expected="frequency or phase",
            remedy="Choose one of the two.",
        )
    checks: list[tuple[str, object, bool, str]] = [
        ("per_class", per_class, per_class >= 1, "at least 1"),
        ("length", length, length >= 2, "at least 2 samples"),
        (
            "sampling_rate_hz",
            sampling_rate_hz,
            0 < sampling_rate_hz < math.inf,
            "a positive number of Hz",
        ),
        ("noise_sd", noise_sd, 0 <= noise_sd < math.inf, "zero or a positive number"),
        ("classes", list(classes), len(classes) > 0, "at least one class"),
        ("classes", list(classes), all(map(math.isfinite, classes)), "finite numbers"),
    ]
    for field, found, good, expected in checks:
        if not good:
            raise BadInputError(
                "make_sinusoid",
                field,
                found=found,
                expected=expected,
                remedy="Correct the setting.",
            )
    ordered = sorted(classes)
    if classes_by == "phase":
        # phases that differ by whole turns give the same signal
        ordered = sorted(phase % (2 * math.pi) for phase in classes)
        ordered.append(ordered[0] + 2 * math.pi)
    if (np.diff(ordered) < 1e-9).any():
        raise BadInputError(
            "make_sinusoid",
            "classes",
            found=list(classes),
            expected="classes that differ",
            remedy="Remove the one given twice.",
        )


def _common_or_class_frequencies(
    classes_by: ClassesBy, classes: Sequence[float], frequency_hz: float | None
) -> list[float]:
    if classes_by == "phase":
        if frequency_hz is None:
            raise BadInputError(
                "make_sinusoid",
                "frequency_hz",
                found="nothing",
                expected="a frequency in Hz",
                remedy="Set the common frequency.",
            )
        return [frequency_hz] * len(classes)
    if frequency_hz is not None:
        raise BadInputError(
            "make_sinusoid",
            "frequency_hz",
            found=frequency_hz,
            expected="nothing, since the classes are frequencies",
            remedy="Leave it out, or make the classes by phase.",
        )
    return list(classes)


def _describe(
    classes_by: ClassesBy, made: str, length: int, sampling_rate_hz: float
) -> dict[str, Any]:
    unit = "Hz" if classes_by == "frequency" else "radians"
    return describe(
        f"Sinusoids by {classes_by}",
        sources=[],
        license_name="CC0-1.0",
        preparation=[made],
        columns={
            PARTICIPANT: "Identifier of the signal",
            classes_by: f"Class: the {classes_by} in {unit}, as text",
            "frequency_hz": "Frequency of the sinusoid, in Hz",
            "phase_rad": "Phase of the sinusoid at its first sample, in radians",
        },
        class_columns=[classes_by],
        SampleShape=[length],
        SamplingFrequency=sampling_rate_hz,
    )


def _class_name(value: float) -> str:
    return np.format_float_positional(value, trim="-")
