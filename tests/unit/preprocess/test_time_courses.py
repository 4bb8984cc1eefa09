"""Time courses for models keep the band asked for, one scale and one length."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from neurospect.errors import BadInputError
from neurospect.preprocess.time_courses import model_time_courses

PLAIN: dict[str, Any] = {
    "detrend": False,
    "high_pass_hz": None,
    "low_pass_hz": None,
    "length": None,
}


def runs(*volumes, components=3, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (5 * rng.normal(size=(each, components)) + 40 + 0.1 * np.arange(each)[:, None]).astype(
            np.float32
        )
        for each in volumes
    ]


def z_scored(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def test_without_cleaning_time_courses_are_z_scored_and_zeros_follow_their_end():
    given = runs(50, 70, 60)
    found, lengths = model_time_courses(given, [2.0, None, 2.0], **PLAIN)
    assert (found.shape, found.dtype, lengths.dtype) == ((3, 70, 3), np.float32, np.int64)
    assert lengths.tolist() == [50, 70, 60]
    for row, each in zip(found, given, strict=True):
        np.testing.assert_allclose(row[: len(each)], z_scored(each.astype(float)), atol=1e-5)
        assert not row[len(each) :].any()


def test_trends_are_removed_as_scipy_removes_them():
    given = runs(50, 70)
    found, _ = model_time_courses(given, [None, None], **{**PLAIN, "detrend": True})
    for row, each in zip(found, given, strict=True):
        expected = z_scored(signal.detrend(each.astype(float), axis=0))
        np.testing.assert_allclose(row[: len(each)], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("band", "kind", "edges"),
    [
        ((0.02, 0.1), "bandpass", [0.02, 0.1]),
        ((0.02, None), "highpass", 0.02),
        ((None, 0.1), "lowpass", 0.1),
    ],
)
def test_the_filter_is_scipys_butterworth_run_forwards_and_backwards(band, kind, edges):
    given, seconds = runs(120, 90), [2.0, 0.8]
    high, low = band
    found, _ = model_time_courses(
        given, seconds, **{**PLAIN, "detrend": True, "high_pass_hz": high, "low_pass_hz": low}
    )
    for row, each, time in zip(found, given, seconds, strict=True):
        sections = signal.butter(5, edges, kind, fs=1 / time, output="sos")
        filtered = signal.sosfiltfilt(sections, signal.detrend(each.astype(float), axis=0), axis=0)
        np.testing.assert_allclose(row[: len(each)], z_scored(filtered), atol=1e-4)


def test_a_sine_inside_the_band_stays_and_one_outside_goes():
    seconds = 2.0 * np.arange(1000)
    inside, outside = (np.sin(2 * np.pi * hertz * seconds) for hertz in (0.05, 0.2))
    courses = np.column_stack([inside + outside, outside + 0.1 * inside])
    band = {**PLAIN, "high_pass_hz": 0.01, "low_pass_hz": 0.1}
    found, _ = model_time_courses([courses], [2.0], **band)
    middle = slice(200, -200)  # the filter swings in and out at the ends
    for component in found[0].T:
        assert np.corrcoef(component[middle], inside[middle])[0, 1] > 0.999


def test_longer_runs_are_cleaned_whole_then_cut_then_z_scored():
    given = runs(60, 100)
    found, lengths = model_time_courses(
        given, [None, None], **{**PLAIN, "detrend": True, "length": 80}
    )
    assert (found.shape, lengths.tolist()) == ((2, 80, 3), [60, 80])
    cut = signal.detrend(given[1].astype(float), axis=0)[:80]
    np.testing.assert_allclose(found[1], z_scored(cut), atol=1e-5)
    assert not found[0, 60:].any()


@settings(deadline=None, max_examples=30)
@given(
    volumes=st.lists(st.integers(40, 90), min_size=1, max_size=4),
    length=st.one_of(st.none(), st.integers(8, 120)),
    detrend=st.booleans(),
    scale=st.floats(1e-3, 1e3),
    low_pass=st.sampled_from([None, 0.1]),
)
def test_every_component_has_mean_zero_and_deviation_one_over_its_own_volumes(
    volumes, length, detrend, scale, low_pass
):
    given = [scale * each for each in runs(*volumes)]
    found, lengths = model_time_courses(
        given,
        [2.0] * len(given),
        detrend=detrend,
        high_pass_hz=None,
        low_pass_hz=low_pass,
        length=length,
    )
    kept = length or max(volumes)
    assert found.shape == (len(volumes), kept, 3)
    assert lengths.tolist() == [min(each, kept) for each in volumes]
    for row, own in zip(found.astype(float), lengths, strict=True):
        np.testing.assert_allclose(row[:own].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(row[:own].std(axis=0), 1, atol=1e-4)
        assert not row[own:].any()


def test_what_is_given_is_left_as_it_was():
    given = runs(50)
    before = given[0].copy()
    model_time_courses(given, [2.0], **{**PLAIN, "detrend": True, "low_pass_hz": 0.1})
    np.testing.assert_array_equal(given[0], before)


def test_no_participants_give_an_array_of_none():
    found, lengths = model_time_courses([], [], **PLAIN)
    assert (len(found), len(lengths)) == (0, 0)


def spoilt(value, at=(4, 1)):
    courses = runs(60)[0]
    courses[at] = value
    return courses


@pytest.mark.parametrize(
    ("courses", "seconds", "change", "message"),
    [
        (spoilt(7.0, np.s_[:, 1]), 2.0, {}, "component 2: found a time course that never"),
        (spoilt(np.arange(60), np.s_[:, 2]), 2.0, {"detrend": True}, "component 3: found a time"),
        (spoilt(np.nan), 2.0, {}, "volume 5, component 2: found 1 values that are NaN"),
        (spoilt(-np.inf), 2.0, {}, "volume 5, component 2"),
        (runs(7)[0], 2.0, {}, "volumes: found 7, expected at least 8"),
        (runs(39)[0], 2.0, {"low_pass_hz": 0.1}, "volumes: found 39, expected at least 40 to"),
        (runs(60, components=4)[0], 2.0, {}, r"time courses: found shape \(60, 4\)"),
        (runs(60)[0][:, 0], 2.0, {}, r"time courses: found shape \(60,\)"),
        (runs(60)[0], None, {"high_pass_hz": 0.01}, "repetition time: found none"),
        (runs(60)[0], np.nan, {"low_pass_hz": 0.1}, "repetition time: found nan"),
        (runs(60)[0], 5.0, {"low_pass_hz": 0.1}, "repetition time: found 5 s, .* above 0.1 Hz"),
    ],
)
def test_what_is_wrong_with_a_participant_is_said_by_name(courses, seconds, change, message):
    given = [runs(60)[0], courses]
    with pytest.raises(BadInputError, match=f"^sub-07: {message}"):
        model_time_courses(
            given, [2.0, seconds], **{**PLAIN, **change}, participants=["sub-01", "sub-07"]
        )
    with pytest.raises(BadInputError, match=r"^participant 2: "):
        model_time_courses(given, [2.0, seconds], **{**PLAIN, **change})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"length": 7}, "length"),
        ({"high_pass_hz": 0.1, "low_pass_hz": 0.1}, "high_pass_hz, low_pass_hz"),
        ({"high_pass_hz": 0.2, "low_pass_hz": 0.1}, "high_pass_hz, low_pass_hz"),
        ({"high_pass_hz": 0.0}, "high_pass_hz, low_pass_hz"),
        ({"low_pass_hz": 0.0}, "high_pass_hz, low_pass_hz"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, field):
    with pytest.raises(BadInputError) as caught:
        model_time_courses(runs(60), [2.0], **{**PLAIN, **change})
    assert caught.value.field == field
