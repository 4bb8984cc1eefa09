"""The L2 penalty on a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized


def sum_of_squared_weights(model: nn.Module) -> Tensor:
    """Sum the squares of all weights, that is of all parameters but biases and scales.

    Where a weight is made from other parameters (weight normalisation), the weight itself counts.

    Returns
    -------
    torch.Tensor
        A scalar that can be differentiated; a Gaussian prior on the weights times it is their
        negative log density, up to a constant.
    """
    squares = [weight.square().sum() for weight in _weights(model)]
    return torch.stack(squares).sum() if squares else torch.zeros(())


def _weights(model: nn.Module) -> Iterator[Tensor]:
    seen: set[int] = set()
    for module in model.modules():
        if isinstance(module, ParametrizationList):
            continue
        for parameter in module.parameters(recurse=False):
            if parameter.ndim >= 2 and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
        if is_parametrized(module):
            parametrizations = cast(nn.ModuleDict, module.parametrizations)
            made = [getattr(module, name) for name in parametrizations]
            yield from (weight for weight in made if weight.ndim >= 2)
