import numpy as np
import pytest
import torch
from torch import nn

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra

EPS = {"float32": 2.0**-23, "bfloat16": 2.0**-7}


class TwoTypes(nn.Module):
    """A layer in single precision, then one in half."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(5, 6)
        self.second = nn.Linear(6, 3, dtype=torch.bfloat16)

    def forward(self, inputs):
        return self.second(self.first(inputs).to(torch.bfloat16))


@pytest.mark.parametrize("by_group", [False, True])
def test_the_noise_floor_is_that_of_each_weights_own_type(by_group):
    model, inputs = TwoTypes(), torch.randn(8, 5)
    with GradientSpectra(model, [0, 1] * 4) as spectra:
        if by_group:
            spectra.backward(lambda rows: model(inputs[rows]).float().square().mean())
        else:
            model(inputs).float().square().mean().backward()
    tree = spectra.to_datatree()
    for name, dtype in (("first.weight", "float32"), ("second.weight", "bfloat16")):
        node = tree[name]
        assert (node.attrs["dtype"], node.attrs["computed_in"]) == (dtype, dtype)
        floor = node["gradient"].sel(rank=1) * 6 * EPS[dtype]
        np.testing.assert_allclose(node["noise_floor"], floor, rtol=1e-12)
    assert tree.attrs["dtype"] == "bfloat16 and float32"


@pytest.mark.parametrize("quantities", [["gradient"], ["gradient", "activation", "adjoint"]])
@pytest.mark.parametrize("labels", [None, [0, 1, 0, 1]])
def test_before_the_first_step_the_tree_is_empty_and_can_be_kept(labels, quantities, tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 512), nn.Linear(512, 513))
    with GradientSpectra(model, labels, quantities=quantities, leading=2) as spectra:
        before = spectra.to_datatree()
        model(torch.randn(4, 4)).square().mean().backward()
    groups = 3 if labels else 1
    write_datatree(tmp_path / "spectra.nc", before)
    kept = read_datatree(tmp_path / "spectra.nc")
    after = spectra.to_datatree()
    assert list(before.children) == list(after.children)
    for name in after.children:
        assert dict(before[name].sizes) == {**after[name].sizes, "step": 0}
        assert before[name].sizes["group"] == groups
        assert set(before[name].data_vars) == set(after[name].data_vars)
        assert kept[name].sizes == before[name].sizes


def recorded(labels=(0, 1, 0, 1), hidden=3, **options):
    """One recorded step of a small network."""
    model = nn.Sequential(nn.Linear(4, hidden), nn.Linear(hidden, 2))
    with GradientSpectra(model, labels, **options) as spectra:
        model(torch.randn(4, 4)).square().mean().backward()
    return spectra


def test_a_state_of_another_model_is_refused_and_changes_no_spectra():
    spectra = recorded()
    before = spectra.to_datatree()
    narrow = recorded(hidden=2).state_dict()
    with pytest.raises(BadInputError, match=r"gradient of 0\.weight: found shape \(1, 3, 2\)"):
        spectra.load_state_dict(narrow)
    gradients_only = recorded(quantities=["gradient"]).state_dict()
    with pytest.raises(BadInputError, match=r"activation of 0\.weight: found none, expected 3"):
        spectra.load_state_dict(gradients_only)
    assert spectra.to_datatree().identical(before)


@pytest.mark.parametrize("labels", [None, [0, 0, 1, 2]])
def test_a_state_of_other_groups_is_refused_in_words(labels):
    other = recorded(labels, smallest_group=1)
    other.load_state_dict(recorded().state_dict())
    with pytest.raises(BadInputError, match="groups: found spectra of 2 groups, expected those of"):
        other.to_datatree()


def test_a_state_before_the_first_step_can_be_gone_on_from():
    model = nn.Linear(4, 3)
    spectra = GradientSpectra(model, [0, 1, 0, 1])
    spectra.load_state_dict(GradientSpectra(model, [0, 1, 0, 1]).state_dict())
    assert spectra.to_datatree()["weight"].sizes["step"] == 0
