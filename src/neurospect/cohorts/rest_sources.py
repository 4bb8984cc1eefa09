"""Sources of simulated resting-state runs: how they fluctuate, and how the groups differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from neurospect.errors import BadInputError

DIAGNOSES = ("control", "patient")
SEXES = ("female", "male")

# What is drawn, each from numbers of its own, so that a change in one leaves the others.
STREAMS = (
    "effects",
    "age",
    "time courses",
    "maps",
    "mask",
    "brightness",
    "head motion",
    "artefacts",
    "noise",
)
SLOWEST_HZ = 0.01  # below this, a source has little power
FEWEST_COMPONENTS = 6
COMPONENTS_PER_EFFECT = 9  # one pair is weakened, one strengthened, one component louder


@dataclass(frozen=True)
class RestParameters:
    """How the runs are made. Lengths in mm; brightness is in units of the brain's mean.

    Parameters
    ----------
    within_domain_correlation, between_domain_correlation
        Of the time courses of two components of one domain, and of two domains, in controls.
    connectivity_change
        How much lower (within domains) and higher (between them) the correlation of the chosen
        pairs of components is in patients.
    patient_variance_factor, male_variance_factor
        By how much the variance of the chosen components' time courses is multiplied.
    broadband_share
        Share of a source's variance that is white instead of haemodynamic.
    shift_mm
        Standard deviation, along each axis, of how far a participant's map is from the template.
    strength_deviation
        Standard deviation of the logarithm of a participant's map's strength.
    extra_strength
        Peak of what each map has elsewhere and the template does not, relative to the map's own.
    signal
        Standard deviation of a source where its map is 1.
    contrast_to_noise
        That, over the standard deviation of the thermal noise.
    drift
        Standard deviation over voxels of the scanner's drift by the end of the run.
    motion_artefact
        Standard deviation, over voxels at the brain's rim, of what 1 mm of motion does to them.

    Raises
    ------
    BadInputError
        If a number is negative, 0 where it must not be, or a correlation or share reaches 1.
    """

    within_domain_correlation: float = 0.35
    between_domain_correlation: float = 0.05
    connectivity_change: float = 0.4
    patient_variance_factor: float = 1.6
    male_variance_factor: float = 1.3
    broadband_share: float = 0.25
    shift_mm: float = 2.0
    strength_deviation: float = 0.15
    extra_strength: float = 0.25
    signal: float = 0.01
    contrast_to_noise: float = 4.0
    drift: float = 0.005
    motion_artefact: float = 0.01

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            below_one = name.endswith(("correlation", "change", "share"))
            positive = name.endswith(("factor", "noise", "signal"))
            above = value > 0 if positive else value >= 0
            if not (above and value < (1 if below_one else math.inf)):
                least = "above 0" if positive else "not below 0"
                raise wrong_setting(
                    name, value, f"a number {least}" + (", and below 1" if below_one else "")
                )


@dataclass(frozen=True)
class RestEffects:
    """Where the groups differ; components are counted from 0.

    Parameters
    ----------
    weaker_pairs
        Pairs of components of one domain, less correlated in patients.
    stronger_pairs
        Pairs of components of two domains, more correlated in patients.
    louder_in_patients, louder_in_males
        Components whose time courses vary more. No component takes part in two effects.
    """

    weaker_pairs: tuple[tuple[int, int], ...]
    stronger_pairs: tuple[tuple[int, int], ...]
    louder_in_patients: tuple[int, ...]
    louder_in_males: tuple[int, ...]


def random_stream(seed: int, participant: int, what: str) -> np.random.Generator:
    """Return the random numbers of one participant (from 1; 0 for the cohort) and one purpose."""
    key = (participant, STREAMS.index(what))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_effects(domains: Sequence[str], seed: int) -> RestEffects:
    """Choose where the groups differ.

    Parameters
    ----------
    domains
        Domain of each component.
    seed
        Of the cohort.

    Returns
    -------
    RestEffects
        For every nine components, one weaker and one stronger pair and one component that is
        louder in patients; one component that is louder in males.

    Raises
    ------
    BadInputError
        If there are too few components or domains.
    """
    count = max(1, len(domains) // COMPONENTS_PER_EFFECT)
    free = random_stream(seed, 0, "effects").permutation(len(domains)).tolist()
    weaker = _take_pairs(free, count, lambda a, b: domains[a] == domains[b])
    stronger = _take_pairs(free, count, lambda a, b: domains[a] != domains[b])
    if len(domains) < FEWEST_COMPONENTS or len(weaker) < count or len(stronger) < count:
        raise wrong_setting(
            "domains",
            f"{len(domains)} components in {len(set(domains))} domains",
            f"at least {FEWEST_COMPONENTS} components, in two or more domains of several each",
        )
    return RestEffects(weaker, stronger, tuple(sorted(free[:count])), (free[count],))


def source_covariance(
    domains: Sequence[str],
    effects: RestEffects,
    parameters: RestParameters,
    diagnosis: str,
    sex: str,
) -> NDArray[np.float64]:
    """Covariance of the sources of one group: that of controls, changed where it differs.

    Returns
    -------
    numpy.ndarray
        Shape (components, components); variances are 1 but for the louder components.

    Raises
    ------
    BadInputError
        If correlations so large contradict each other.
    """
    names = np.asarray(domains)
    same = names[:, None] == names[None, :]
    correlation = np.where(
        same, parameters.within_domain_correlation, parameters.between_domain_correlation
    )
    np.fill_diagonal(correlation, 1.0)
    variance = np.ones(len(names))
    if diagnosis == "patient":
        for pairs, sign in ((effects.weaker_pairs, -1), (effects.stronger_pairs, 1)):
            for a, b in pairs:
                correlation[a, b] += sign * parameters.connectivity_change
                correlation[b, a] = correlation[a, b]
        variance[list(effects.louder_in_patients)] = parameters.patient_variance_factor
    if sex == "male":
        variance[list(effects.louder_in_males)] = parameters.male_variance_factor
    if np.linalg.eigvalsh(correlation)[0] <= 1e-6:
        raise wrong_setting(
            "correlations",
            f"no time courses that could have them in {diagnosis}s",
            "smaller correlations, or a smaller change between groups",
        )
    deviation = np.sqrt(variance)
    return np.asarray(correlation * np.outer(deviation, deviation), dtype=np.float64)


def source_power(frequencies: NDArray[np.float64], broadband_share: float) -> NDArray[np.float64]:
    """Power of a source at each frequency: 1/f fluctuations seen through a haemodynamic response.

    Parameters
    ----------
    frequencies
        In Hz, shape (frequencies,), evenly spaced from 0.
    broadband_share
        Share of the power that is spread evenly over all of them but 0.

    Returns
    -------
    numpy.ndarray
        Shape (frequencies,), any unit; 0 at 0 Hz.
    """
    # the transform of a gamma density of shape a and scale 1 s is (1 + 2πif)^-a
    turn = 1 + 2j * np.pi * frequencies
    response = np.abs(turn**-6.0 - turn**-16.0 / 6)
    slow = response**2 * frequencies / (frequencies**2 + SLOWEST_HZ**2)
    flat = np.where(frequencies > 0, 1.0, 0.0)
    shares = ((1 - broadband_share) / slow.sum(), broadband_share / flat.sum())
    return np.asarray(shares[0] * slow + shares[1] * flat, dtype=np.float64)


def source_time_courses(
    generator: np.random.Generator,
    covariance: NDArray[np.float64],
    volumes: int,
    repetition_time: float,
    broadband_share: float,
) -> NDArray[np.float64]:
    """Draw time courses of a known covariance, and of the spectrum of `source_power`.

    Parameters
    ----------
    generator
        Of the random numbers.
    covariance
        Shape (components, components), positive definite.
    volumes
        How many.
    repetition_time
        In s.
    broadband_share
        As for `source_power`.

    Returns
    -------
    numpy.ndarray
        Shape (volumes, components). The covariance is that of a run without end; a short run's
        own is spread around it.
    """
    # twice as long as needed, so that the end does not lead over into the beginning
    length = fft.next_fast_len(2 * volumes, real=True)
    white = generator.standard_normal((length, len(covariance)))
    gain = np.sqrt(source_power(fft.rfftfreq(length, repetition_time), broadband_share))
    both_sides = np.concatenate([gain, gain[1 : (length + 1) // 2]])
    gain /= np.sqrt(np.mean(both_sides**2))
    shaped = fft.irfft(fft.rfft(white, axis=0) * gain[:, None], length, axis=0)[:volumes]
    return np.asarray(shaped @ np.linalg.cholesky(covariance).T, dtype=np.float64)


def wrong_setting(field: str, found: object, expected: str) -> BadInputError:
    """Refuse a setting of the simulation."""
    return BadInputError(
        "simulate_rest", field, found=found, expected=expected, remedy="Correct the setting."
    )


def _take_pairs(
    free: list[int], count: int, fitting: Callable[[int, int], bool]
) -> tuple[tuple[int, int], ...]:
    """Take pairs that fit out of the free components, in their order."""
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        found = next(
            ((a, b) for at, a in enumerate(free) for b in free[at + 1 :] if fitting(a, b)), None
        )
        if found is None:
            break
        for component in found:
            free.remove(component)
        pairs.append((min(found), max(found)))
    return tuple(sorted(pairs))
