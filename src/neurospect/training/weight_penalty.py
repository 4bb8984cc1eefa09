"""The L2 penalty on a model's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neurospect.models.weights import weights_of


def sum_of_squared_weights(model: nn.Module) -> Tensor:
    """Sum the squares of all weights, as `neurospect.models.weights.weights_of` tells them.

    Where a weight is made from other parameters (weight normalisation), the weight itself counts;
    one that layers share counts once.

    Returns
    -------
    torch.Tensor
        A scalar that can be differentiated; a Gaussian prior on the weights times it is their
        negative log density, up to a constant.

    Raises
    ------
    BadInputError
        When a weight is normalised by a hook.
    """
    squares = []
    shared: set[int] = set()
    for _, _, weight in weights_of(model):
        if id(weight) in shared:
            continue
        if isinstance(weight, nn.Parameter):
            shared.add(id(weight))
        squares.append(weight.square().sum())
    return torch.stack(squares).sum() if squares else torch.zeros(())
