"""One training on the synthetic set, held to what is known of ten in the paper's setting."""

import numpy as np
import pytest
import torch
from torch import nn

from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks, synthetic_templates
from neurospect.models.registry import build_model
from neurospect.saliency import (
    class_informative_correlation,
    pairwise_difference_correlation,
    saliency_maps,
)
from neurospect.saliency.linear_maps import linear_weights
from neurospect.training.loop import Examples, TrainingPlan, train

# Mean and standard deviation over seeds of each criterion, by another implementation; the deviation
# is the largest of those measured here.
KNOWN = {
    "regression weights": (0.308, 0.267, 0.012),
    "regression gradient": (0.366, 0.375, 0.015),
    "gradient": (0.433, 0.453, 0.011),
    "gradient_x_input": (0.360, 0.369, 0.007),
    "smoothgrad": (0.445, 0.466, 0.009),
}


def images(per_class, seed):
    cohort = make_synthetic_tasks(per_class, 0.5, seed)
    classes = torch.from_numpy(np.repeat(np.arange(3), per_class))
    return Examples(torch.from_numpy(cohort.array), classes)


def trained(family, **architecture):
    model = build_model(
        family, task="classification", input_shape=(32, 32), classes=3, seed=0, **architecture
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
    train(model, images(1000, 0), TrainingPlan("classification", 100, 1e-3))
    return model


@pytest.fixture(scope="module")
def maps():
    inputs = images(150, 2).inputs
    regression, network = trained("linear"), trained("mlp", widths=[20])
    weights = linear_weights(regression, (32, 32))
    return {
        "regression weights": weights.expand(len(inputs), *weights.shape),
        "regression gradient": saliency_maps(regression, inputs),
        **{
            method: saliency_maps(network, inputs, method)
            for method in ("gradient", "gradient_x_input", "smoothgrad")
        },
    }


@pytest.mark.parametrize("method", KNOWN)
def test_both_criteria_lie_within_three_standard_deviations_of_what_is_known(maps, method):
    classes, templates = np.repeat(np.arange(3), 150), synthetic_templates()
    first, second, deviation = KNOWN[method]
    found = [
        criterion(maps[method], classes, templates).mean()
        for criterion in (class_informative_correlation, pairwise_difference_correlation)
    ]
    assert found == pytest.approx([first, second], abs=3 * deviation)
