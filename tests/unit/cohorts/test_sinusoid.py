"""Made signals hold the frequency and the phase that their class says."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.cohorts import sinusoid
from neurospect.cohorts.sinusoid import make_sinusoid
from neurospect.errors import BadInputError

BY_FREQUENCY: dict[str, Any] = {
    "classes_by": "frequency",
    "classes": [4.0, 10.0, 12.5],
    "per_class": 6,
    "length": 256,
    "sampling_rate_hz": 128.0,
    "noise_sd": 0.3,
    "seed": 2,
}
BY_PHASE: dict[str, Any] = {
    **BY_FREQUENCY,
    "classes_by": "phase",
    "classes": [0.0, math.pi / 2, 4.0],
    "frequency_hz": 8.0,
}
PHASES_AT_5_HZ = {"classes_by": "phase", "frequency_hz": 5.0}


def test_the_spectrum_peaks_at_the_frequency_of_the_class() -> None:
    cohort = make_sinusoid(**BY_FREQUENCY)
    spectrum = np.abs(np.fft.rfft(cohort.array, axis=1))
    peak = np.fft.rfftfreq(256, 1 / 128)[spectrum.argmax(axis=1)]
    np.testing.assert_allclose(peak, cohort.participants["frequency"].astype(float))
    np.testing.assert_allclose(peak, cohort.participants["frequency_hz"])


@pytest.mark.parametrize("settings", [BY_FREQUENCY, BY_PHASE])
def test_projection_on_sine_and_cosine_recovers_the_phase(settings: dict[str, Any]) -> None:
    cohort = make_sinusoid(**settings)
    seconds = np.arange(256) / 128
    angle = 2 * np.pi * cohort.participants["frequency_hz"].to_numpy()[:, None] * seconds
    sine = (cohort.array * np.sin(angle)).mean(axis=1)
    cosine = (cohort.array * np.cos(angle)).mean(axis=1)
    off = np.arctan2(cosine, sine) - cohort.participants["phase_rad"].to_numpy()
    assert np.abs(np.angle(np.exp(1j * off))).max() < 0.15
    np.testing.assert_allclose(2 * np.hypot(sine, cosine), 1, atol=0.15)


def test_the_phase_class_is_the_phase_of_each_of_its_signals() -> None:
    cohort = make_sinusoid(**BY_PHASE)
    assert cohort.class_columns == ["phase"]
    np.testing.assert_array_equal(
        cohort.participants["phase"].astype(float), cohort.participants["phase_rad"]
    )
    assert cohort.participants["phase"].unique().tolist() == ["0", "1.5707963267948966", "4"]
    assert (cohort.participants["frequency_hz"] == 8.0).all()


def test_without_noise_phase_classes_are_the_sine_itself() -> None:
    cohort = make_sinusoid(**{**BY_PHASE, "noise_sd": 0.0})
    expected = np.sin(2 * np.pi * 8.0 * np.arange(256) / 128 + 4.0)
    np.testing.assert_allclose(cohort.array[-1], expected, atol=1e-6)


def test_the_noise_has_the_standard_deviation_asked_for() -> None:
    settings = {**BY_PHASE, "per_class": 200}
    noisy = make_sinusoid(**{**settings, "noise_sd": 0.7})
    clean = make_sinusoid(**{**settings, "noise_sd": 0.0})
    assert np.std(noisy.array - clean.array) == pytest.approx(0.7, rel=0.02)


def test_the_random_phases_fill_the_circle() -> None:
    phases = make_sinusoid(**{**BY_FREQUENCY, "per_class": 300}).participants["phase_rad"]
    counts, _ = np.histogram(phases, bins=6, range=(0, 2 * np.pi))
    assert counts.sum() == 900
    assert counts.min() > 100


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), other=st.integers(0, 2**32))
def test_the_seed_alone_decides_the_noise(seed: int, other: int) -> None:
    small = {**BY_FREQUENCY, "per_class": 1, "length": 16}
    one, again, different = (
        make_sinusoid(**{**small, "seed": value}).array for value in (seed, seed, other)
    )
    np.testing.assert_array_equal(one, again)
    assert np.array_equal(one, different) == (seed == other)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({**PHASES_AT_5_HZ, "classes": [0.5, 0.5 + 2 * math.pi]}, "classes"),
        ({**PHASES_AT_5_HZ, "classes": [0.0, -2 * math.pi]}, "classes"),
        ({"classes": [10.0, 64.0]}, "classes"),
        ({"classes": [10.0, 70.0]}, "classes"),
        ({"classes": [0.0, 10.0]}, "classes"),
        ({"classes": [10.0, 10.0]}, "classes"),
        ({"classes": []}, "classes"),
        ({"classes": [math.nan]}, "classes"),
        ({"per_class": 0}, "per_class"),
        ({"length": 1}, "length"),
        ({"sampling_rate_hz": 0.0}, "sampling_rate_hz"),
        ({"noise_sd": -0.1}, "noise_sd"),
        ({"frequency_hz": 5.0}, "frequency_hz"),
        ({"classes_by": "phase"}, "frequency_hz"),
        ({"classes_by": "phase", "frequency_hz": 64.0}, "frequency_hz"),
        ({"classes_by": "amplitude"}, "classes_by"),
        (
            {"classes_by": "phase", "frequency_hz": 5.0, "classes": [0.5, 0.5 + 2 * math.pi]},
            "classes",
        ),
    ],
)
def test_numbers_that_make_no_sense_are_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInputError) as caught:
        make_sinusoid(**{**BY_FREQUENCY, **change})
    assert caught.value.field == field


def test_settings_are_the_arguments_and_nothing_else() -> None:
    np.testing.assert_array_equal(sinusoid.load(BY_PHASE).array, make_sinusoid(**BY_PHASE).array)
    with pytest.raises(BadInputError, match="amplitude"):
        sinusoid.load({**BY_PHASE, "amplitude": 2})
    with pytest.raises(BadInputError, match="seed"):
        sinusoid.load({name: value for name, value in BY_PHASE.items() if name != "seed"})
    assert sinusoid.raw_files(BY_PHASE) == []
