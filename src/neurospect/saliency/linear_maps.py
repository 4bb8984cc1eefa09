"""Maps of a linear model that are the same for every input: its weights and its patterns."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from neurospect.errors import BadInputError
from neurospect.training.modes import at_rest


def linear_weights(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """Read the weights of a linear model as one map per class.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits, linear up to a constant; at rest meanwhile.
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
    with at_rest(model), torch.enable_grad():
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


def haufe_patterns(weights: Tensor, inputs: Tensor | Iterable[Tensor]) -> Tensor:
    """Turn the weights of a linear model into the activation patterns that they read out.

    Haufe et al. (2014), eq. 6: A = Σ_x Wᵀ Σ_z⁻¹, with the covariances of the inputs x and of the
    logits z = W x. Since adding the same to all logits changes no probability, the logits are taken
    relative to their mean and Σ_z is inverted on what is left.

    Parameters
    ----------
    weights
        Shape (classes, *input shape), of `linear_weights`.
    inputs
        Those it was trained on, shape (examples, *input shape); or batches of them, read once, one
        after the other.

    Returns
    -------
    torch.Tensor
        Shape (classes, *input shape), of the weights' dtype; computed in double precision.
    """
    flat = weights.flatten(1).double()
    flat = flat - flat.mean(0)
    # Sums over examples of x, z, x zᵀ and z zᵀ; taken from the first batch's mean, which keeps what
    # is later subtracted from them small.
    origin: Tensor | None = None
    count = 0
    sum_x, sum_z = flat.new_zeros(flat.shape[1]), flat.new_zeros(len(flat))
    across, within = flat.new_zeros(flat.T.shape), flat.new_zeros(len(flat), len(flat))
    for batch in [inputs] if isinstance(inputs, Tensor) else inputs:
        examples = batch.flatten(1).double()
        origin = examples.mean(0) if origin is None else origin
        centred = examples - origin
        logits = centred @ flat.T
        count += len(examples)
        sum_x, sum_z = sum_x + centred.sum(0), sum_z + logits.sum(0)
        across, within = across + centred.T @ logits, within + logits.T @ logits
    across = across - torch.outer(sum_x, sum_z) / count
    within = within - torch.outer(sum_z, sum_z) / count
    # Both covariances lack the same factor 1 / (examples − 1).
    patterns: Tensor = (across @ torch.linalg.pinv(within, hermitian=True)).T
    return patterns.reshape(weights.shape).to(weights.dtype)
