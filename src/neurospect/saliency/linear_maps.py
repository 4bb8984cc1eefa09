"""Maps of a linear model that are the same for every input: its weights and its patterns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from neurospect.errors import BadInputError


def linear_weights(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """Read the weights of a linear model as one map per class.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits, linear up to a constant.
    input_shape
        Sizes of one example.

    Returns
    -------
    torch.Tensor
        Shape (classes, *input_shape).

    Raises
    ------
    BadInputError
        When the model's gradient differs between inputs, so that it is not linear.
    """
    first = next(model.parameters())
    generator = torch.Generator(first.device).manual_seed(0)
    probes = torch.randn(2, *input_shape, generator=generator, device=first.device).to(first.dtype)
    probes[0] = 0
    probes.requires_grad_()
    frozen = {name: value.detach() for name, value in model.named_parameters()}
    with torch.enable_grad():
        logits = functional_call(model, frozen, (probes,))
    weights = torch.stack(
        [torch.autograd.grad(row.sum(), probes, retain_graph=True)[0] for row in logits.unbind(1)],
        dim=1,
    )
    if not torch.allclose(
        weights[0], weights[1], rtol=1e-4, atol=1e-6 * float(weights.abs().max())
    ):
        raise BadInputError(
            "model",
            "layers",
            found="a gradient that depends on the input",
            expected="a linear model",
            remedy="Ask for the maps of its gradient: saliency_maps(model, inputs).",
        )
    return weights[0]


def haufe_patterns(weights: Tensor, inputs: Tensor) -> Tensor:
    """Turn the weights of a linear model into the activation patterns that they read out.

    Haufe et al. (2014), eq. 6: A = Σ_x Wᵀ Σ_z⁻¹, with the covariances of the inputs x and of the
    logits z = W x. Since adding the same to all logits changes no probability, the logits are taken
    relative to their mean and Σ_z is inverted on what is left.

    Parameters
    ----------
    weights
        Shape (classes, *input shape), of `linear_weights`.
    inputs
        Those it was trained on, shape (examples, *input shape).

    Returns
    -------
    torch.Tensor
        Shape (classes, *input shape), of the weights' dtype; computed in double precision.
    """
    shape = weights.shape
    flat = weights.flatten(1).double()
    flat = flat - flat.mean(0)
    centred = inputs.flatten(1).double()
    centred = centred - centred.mean(0)
    logits = centred @ flat.T
    # Both covariances lack the same factor 1 / (examples − 1).
    across = centred.T @ logits
    patterns = across @ torch.linalg.pinv(logits.T @ logits, hermitian=True)
    patterns_by_class: Tensor = patterns.T.reshape(shape)
    return patterns_by_class.to(weights.dtype)
