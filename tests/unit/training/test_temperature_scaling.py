"""Temperature scaling finds the least negative log-likelihood, and says when there is none."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss

from neurospect.errors import BadInputError
from neurospect.training.temperature_scaling import BOUNDS, fit_temperature


def answers(true_temperature, samples=4000, seed=0):
    """Logits, and classes that they predict with the probabilities of another temperature."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(samples, 4))
    shares = softmax(logits / true_temperature, axis=1).cumsum(1)
    return logits, (rng.random((samples, 1)) > shares).sum(1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_the_answers_is_found(temperature):
    fitted = fit_temperature(*answers(temperature))
    assert fitted.temperature == pytest.approx(temperature, rel=0.07)
    assert fitted.at_bound is None
    assert fitted.loss <= fitted.loss_before


@given(st.integers(0, 1000), st.floats(0.3, 5))
@settings(max_examples=25, deadline=None)
def test_no_temperature_of_a_fine_grid_does_better(seed, temperature):
    logits, classes = answers(temperature, samples=60, seed=seed)
    fitted = fit_temperature(logits, classes)

    def loss(value):
        return log_loss(classes, softmax(logits / value, axis=1), labels=range(4))

    assert fitted.loss == pytest.approx(loss(fitted.temperature), rel=1e-9)
    assert fitted.loss_before == pytest.approx(loss(1.0), rel=1e-9)
    assert fitted.loss <= min(loss(value) for value in np.geomspace(*BOUNDS, 80)) + 1e-9


def test_a_split_classified_rightly_throughout_runs_into_the_bound_and_warns(caplog):
    logits = np.eye(3)[np.arange(12) % 3] * 2.0
    with caplog.at_level(logging.WARNING):
        fitted = fit_temperature(logits, np.arange(12) % 3)
    assert fitted.at_bound == "lower"
    assert fitted.temperature == BOUNDS[0]
    assert "lower bound, 0.1" in caplog.text


def test_answers_without_relation_to_the_logits_run_into_the_upper_bound(caplog):
    logits = np.eye(2)[np.arange(40) % 2] * 5.0
    fitted = fit_temperature(logits, np.repeat([0, 1], 20))
    assert fitted.at_bound == "upper"
    assert fitted.temperature == BOUNDS[1]
    assert "upper bound" in caplog.text


@pytest.mark.parametrize(
    ("logits", "classes", "options", "words"),
    [
        (np.zeros((3, 2)), np.array([0, 1]), {}, "classes: found"),
        (np.zeros((2, 2)), np.array([0, 2]), {}, "classes: found"),
        (np.zeros((0, 2)), np.array([], dtype=int), {}, "classes: found"),
        (np.full((2, 2), np.nan), np.array([0, 1]), {}, "logits: found NaN"),
        (np.zeros((2, 2)), np.array([0, 1]), {"bounds": (0, 1)}, "bounds: found"),
        (np.zeros((2, 2)), np.array([0, 1]), {"bounds": (2, 1)}, "bounds: found"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits, classes, options, words):
    with pytest.raises(BadInputError, match=words):
        fit_temperature(logits, classes, **options)
