"""Maps of a linear model that are the same for every input: its weights and its patterns."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurospect.errors import BadInputError
from neurospect.saliency.frozen_pass import logits_at
from neurospect.training.modes import at_rest

# Biases and bounds may hide a bend from inputs of size one; each is also tried with its opposite.
PROBED_SIZES = (10.0, 100.0, 1000.0)


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
        When the model's gradient differs between inputs, so that it is not linear, or its output is
        not logits. The gradient is compared at zero and at random inputs with standard deviations
        from 1 to 1000; what is linear among all of these is taken for linear.
    """
    first = next(model.parameters(), torch.zeros(()))
    generator = torch.Generator(first.device).manual_seed(0)

    def random_inputs(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=first.device).to(first.dtype)

    with at_rest(model):
        probes = random_inputs(2, *input_shape)
        probes[0] = 0
        probes, logits = logits_at(model, probes)
        weights = torch.stack(
            [
                torch.autograd.grad(row.sum(), probes, retain_graph=True)[0]
                for row in logits.unbind(1)
            ],
            dim=1,
        )
        _refuse_differences(weights)
        # One random mixture of the classes shows what any of them shows, at the price of one.
        mixture = random_inputs(logits.shape[1])
        for size in PROBED_SIZES:
            one = size * random_inputs(*input_shape)
            probes, logits = logits_at(model, torch.stack([torch.zeros_like(one), one, -one]))
            _refuse_differences(torch.autograd.grad((logits @ mixture.to(logits)).sum(), probes)[0])
    return weights[0]


def _refuse_differences(gradients: Tensor) -> None:
    allowed = 1e-6 * float(gradients.abs().max())
    if not torch.allclose(gradients[:1].expand_as(gradients), gradients, rtol=1e-4, atol=allowed):
        raise BadInputError(
            "model",
            "layers",
            found="a gradient that depends on the input",
            expected="a linear model",
            remedy="Ask for the maps of its gradient: saliency_maps(model, inputs).",
        )


def haufe_patterns(
    weights: Tensor | NDArray[np.floating],
    inputs: Tensor | NDArray[np.floating] | Iterable[Tensor | NDArray[np.floating]],
) -> Tensor:
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

    Raises
    ------
    BadInputError
        When there are fewer than two examples or two classes, an input is of another size than the
        weights, or a value is not finite.
    """
    weights = torch.as_tensor(weights)
    _check_weights(weights)
    flat = weights.flatten(1).double()
    flat = flat - flat.mean(0)
    # Sums over examples of x, z, x zᵀ and z zᵀ; taken from the first batch's mean, which keeps what
    # is later subtracted from them small.
    origin: Tensor | None = None
    count = 0
    sum_x, sum_z = flat.new_zeros(flat.shape[1]), flat.new_zeros(len(flat))
    across, within = flat.new_zeros(flat.T.shape), flat.new_zeros(len(flat), len(flat))
    whole = isinstance(inputs, Tensor | np.ndarray)
    for batch in [inputs] if whole else inputs:
        examples = _flat_examples(torch.as_tensor(batch), weights, count)
        origin = examples.mean(0) if origin is None else origin
        centred = examples - origin
        logits = centred @ flat.T
        count += len(examples)
        sum_x, sum_z = sum_x + centred.sum(0), sum_z + logits.sum(0)
        across, within = across + centred.T @ logits, within + logits.T @ logits
    if count < 2:
        raise _refused(
            "inputs",
            f"{count} in all",
            "two examples or more, which alone have a covariance",
            "Give all examples of the training split; batches are read once.",
        )
    across = across - torch.outer(sum_x, sum_z) / count
    within = within - torch.outer(sum_z, sum_z) / count
    # Both covariances lack the same factor 1 / (examples − 1).
    patterns: Tensor = (across @ torch.linalg.pinv(within, hermitian=True)).T
    return patterns.reshape(weights.shape).to(weights.dtype)


def _check_weights(weights: Tensor) -> None:
    if weights.ndim < 2 or len(weights) < 2 or not torch.isfinite(weights).all():
        raise _refused(
            "weights",
            f"shape {tuple(weights.shape)}, {int((~torch.isfinite(weights)).sum())} not finite",
            "finite values of shape (classes, *input shape), two classes or more",
            "Give those of linear_weights.",
        )


def _flat_examples(batch: Tensor, weights: Tensor, before: int) -> Tensor:
    """One row for each example, in double precision; `before` went in with other batches."""
    if batch.ndim < 2 or batch[:1].numel() != min(len(batch), 1) * weights[0].numel():
        raise _refused(
            "inputs",
            f"shape {tuple(batch.shape)}",
            f"shape (examples, *{tuple(weights.shape[1:])}), as of the weights",
            "Give a tensor or an array of all examples, or a list of batches.",
        )
    examples = batch.flatten(1).to(weights.device, torch.float64)
    finite = torch.isfinite(examples).all(1)
    if not finite.all():
        raise _refused(
            f"inputs, example {before + int(torch.nonzero(~finite)[0])}",
            "NaN or infinity",
            "finite values",
            "Leave out or mend these examples.",
        )
    return examples


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "activation patterns", field, found=found, expected=expected, remedy=remedy
    )
