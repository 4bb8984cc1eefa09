"""What removal is given is any array that makes sense; what makes none is refused in words."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from torch import nn

from neurospect.errors import BadInputError
from neurospect.saliency.removal import (
    diff_roar,
    removal_curves,
    replace_by_rank,
    retrained_accuracy,
    share_inside,
)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"maps": torch.zeros(2, 3)}, "maps: found shape"),
        ({"fraction": 1.5}, "fractions: found"),
        ({"fraction": float("nan")}, "fractions: found"),
        ({"which": "Most"}, "which: found 'Most', expected one of most, least"),
        ({"which": "random"}, "which: found 'random'"),
        ({"inputs": torch.zeros(0, 4), "maps": torch.zeros(0, 4)}, "maps: found shape"),
        (
            {"maps": torch.tensor([[0.0] * 4, [0.9, np.nan, 0.1, 0.5]])},
            "maps, example 1: found NaN",
        ),
        ({"maps": torch.tensor([[0.0, np.inf, 0, 0], [-np.inf] * 4])}, "0: .* and 2 such examples"),
    ],
)
def test_what_cannot_be_replaced_is_refused(call, words):
    arguments = {"inputs": torch.zeros(2, 4), "maps": torch.zeros(2, 4), "fraction": 0.5, **call}
    with pytest.raises(BadInputError, match=words):
        replace_by_rank(**arguments)


def test_maps_that_are_not_finite_are_refused_before_a_model_sees_anything():
    inputs, maps = torch.zeros(3, 4), torch.zeros(3, 4)
    maps[1, 2] = np.nan
    with pytest.raises(BadInputError, match="maps, example 1: found NaN or infinity"):
        removal_curves(nn.Linear(4, 2), inputs, torch.zeros(3), maps, [0.5])
    calls = []
    with pytest.raises(BadInputError, match="maps, example 1: found NaN or infinity"):
        retrained_accuracy(
            lambda *parts: calls.append(parts) or 0.0, (inputs, inputs), (inputs, maps), [0.5]
        )
    assert calls == []
    with pytest.raises(BadInputError, match="maps, example 1"):
        share_inside(maps, torch.ones(3, 4))


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda c: np.array(c, np.uint8)])
def test_classes_may_come_as_any_array(kind):
    torch.manual_seed(0)
    model, inputs, maps = nn.Linear(4, 3), torch.randn(5, 4), torch.rand(5, 4)
    classes = [0, 1, 2, 1, 0]
    found = removal_curves(model, inputs, kind(classes), maps, [0.25])
    with torch.no_grad():
        probabilities = softmax(model(replace_by_rank(inputs, maps, 0.25)).double().numpy(), axis=1)
    np.testing.assert_allclose(found[:, 0], probabilities[range(5), classes], rtol=1e-12)


class Returning(nn.Module):
    """Gives what is made of its logits."""

    def __init__(self, wrap):
        super().__init__()
        self.layer, self.wrap = nn.Linear(4, 3), wrap

    def forward(self, inputs):
        return self.wrap(self.layer(inputs))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"classes": torch.tensor([0, 1, 2])},
            r"classes: found shape \(3,\), expected shape \(6,\)",
        ),
        ({"classes": torch.zeros(6, 1, dtype=int)}, r"classes: found shape \(6, 1\)"),
        ({"classes": [0, 1, 2, 3, 0, 1]}, "expected 6 whole numbers from 0 to 2"),
        ({"classes": torch.zeros(6)}, "float32"),
        ({"temperature": -1}, "temperature: found -1, expected a positive number"),
        ({"temperature": 0}, "temperature: found 0"),
        ({"temperature": np.nan}, "temperature: found nan"),
        ({"examples_at_once": 0}, "examples_at_once: found 0, expected a whole number"),
        ({"examples_at_once": 2.5}, "examples_at_once: found 2.5"),
        ({"mode": "removal"}, "mode: found 'removal'"),
        ({"model": Returning(lambda z: (z, None))}, "output: found tuple, expected logits"),
        ({"model": Returning(lambda z: {"logits": z})}, "output: found dict, expected logits"),
        ({"model": Returning(lambda z: z[:, :, None])}, r"output: found shape \(6, 3, 1\)"),
        ({"model": Returning(lambda z: z[:2])}, r"output: found shape \(2, 3\)"),
    ],
)
def test_curves_of_what_does_not_fit_together_are_refused(change, words):
    call = {
        "model": nn.Linear(4, 3),
        "inputs": torch.zeros(6, 4),
        "classes": torch.zeros(6, dtype=int),
        "maps": torch.rand(6, 4),
        "fractions": [0.5],
        **change,
    }
    with pytest.raises(BadInputError, match=words):
        removal_curves(**call)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [(0.2, "most"), (0.2, "least"), (0.2, "most")],
            r"fraction 0\.2 with \{'most': 2, 'least': 1\}",
        ),
        (
            [(0.2, "most"), (0.2, "least"), (0.5, "most")],
            r"fraction 0\.5 with \{'most': 1, 'least': 0\}",
        ),
        ([(0.2, "random")], r"fraction 0\.2 with \{'most': 0, 'least': 0\}"),
        ([], "found no rows"),
    ],
)
def test_diff_roar_asks_for_one_accuracy_of_each_kind_for_each_fraction(rows, words):
    table = pd.DataFrame(rows, columns=["fraction", "removed"]).assign(accuracy=0.5)
    with pytest.raises(BadInputError, match=words):
        diff_roar(table)
    with pytest.raises(BadInputError, match="table: found no column accuracy"):
        diff_roar(table[["fraction", "removed"]])
