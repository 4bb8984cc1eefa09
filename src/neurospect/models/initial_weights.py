"""Initial weights other than PyTorch's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neurospect.models.weights import weights_of


@torch.no_grad()
def draw_glorot_weights(model: nn.Module, seed: int) -> None:
    """Draw all weights anew, uniformly with the variance of Glorot and Bengio (2010).

    Which they are, `neurospect.models.weights.weights_of` tells. Biases become zero, and scales (of
    normalised layers) stay. So the saliency paper's own code begins.

    Parameters
    ----------
    model
        Changed in place. Where a weight is made from other parameters (weight normalisation), the
        weight itself is drawn.
    seed
        Of the weights; the global random state is left as it was.

    Raises
    ------
    BadInputError
        When a weight is normalised by a hook.
    """
    generator = torch.Generator().manual_seed(seed)
    for module, name, weight in weights_of(model):
        if isinstance(weight, nn.Parameter):
            weight.copy_(_glorot(weight, generator))
        else:
            setattr(module, name, _glorot(weight, generator))
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[2].startswith("bias"):
            parameter.zero_()


def _glorot(weight: Tensor, generator: torch.Generator) -> Tensor:
    # Drawn on the processor, so that a device does not change the weights.
    drawn = torch.empty(weight.shape, dtype=weight.dtype)
    return nn.init.xavier_uniform_(drawn, generator=generator).to(weight.device)
