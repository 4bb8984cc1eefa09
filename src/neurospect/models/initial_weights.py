"""Initial weights other than PyTorch's own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized


@torch.no_grad()
def draw_glorot_weights(model: nn.Module, seed: int) -> None:
    """Draw all weights anew, uniformly with the variance of Glorot and Bengio (2010).

    Biases become zero, and scales (of normalised layers) stay. So the saliency paper's own code
    begins.

    Parameters
    ----------
    model
        Changed in place. Where a weight is made from other parameters (weight normalisation), the
        weight itself is drawn.
    seed
        Of the weights; the global random state is left as it was.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, ParametrizationList):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim > 1:
                parameter.copy_(_glorot(parameter, generator))
            elif name.startswith("bias"):
                parameter.zero_()
        if is_parametrized(module):
            for name in cast(nn.ModuleDict, module.parametrizations):
                setattr(module, name, _glorot(getattr(module, name), generator))


def _glorot(weight: Tensor, generator: torch.Generator) -> Tensor:
    # Drawn on the processor, so that a device does not change the weights.
    drawn = torch.empty(weight.shape, dtype=weight.dtype)
    return nn.init.xavier_uniform_(drawn, generator=generator).to(weight.device)
