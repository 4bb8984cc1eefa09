import pytest
import torch
from torch import nn

from neurospect.errors import BadInputError
from neurospect.spectra import GradientSpectra


def test_lazy_layers_are_recorded_once_a_batch_went_through_them():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LazyLinear(2))
    with pytest.raises(BadInputError, match=r"2\.weight: found no shape yet, as in a lazy layer"):
        GradientSpectra(model)
    inputs = torch.randn(6, 4)
    model(inputs)
    with GradientSpectra(model) as spectra:
        model(inputs).square().mean().backward()
    found = spectra.to_datatree()["2.weight"]["gradient"].values[0, 0]
    expected = torch.linalg.svdvals(model[2].weight.grad.double())
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-8)
