"""Noise on the inputs that stays inside a ball: drawn at random, or against the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from neurospect.training.checks import check_counts, check_positive
from neurospect.training.log_odds import log_odds


def random_noise(inputs: Tensor, epsilon: float) -> Tensor:
    """Draw noise uniformly from the L2 ball, for each example its own.

    Parameters
    ----------
    inputs
        Shape (examples, *input shape).
    epsilon
        Radius of the ball, in units of the input.

    Returns
    -------
    torch.Tensor
        Shape of the inputs. In many dimensions nearly all of it lies close to the sphere.
    """
    check_positive("noise on the inputs", epsilon=epsilon)
    radius = torch.rand(len(inputs), dtype=inputs.dtype, device=inputs.device)
    radius = epsilon * radius ** (1 / inputs[0].numel())
    return times_examples(radius, unit_length(torch.randn_like(inputs)))


def adversarial_noise(
    model: nn.Module,
    inputs: Tensor,
    classes: Tensor,
    *,
    epsilon: float,
    steps: int,
    step_size: float,
) -> Tensor:
    """Search the L2 ball for the noise that makes each example's class least probable.

    Projected gradient descent (Madry et al., 2018) from no noise: every step goes `step_size` down
    the gradient of the class's probability, whatever its length, and back into the ball. The
    direction is that of the log odds, which a sure model does not lose.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits.
    inputs, classes
        Shapes (examples, *input shape) and (examples,).
    epsilon
        Radius of the ball, in units of the input.
    steps, step_size
        How many, and how long each, in units of the input.

    Returns
    -------
    torch.Tensor
        Shape of the inputs, no longer than `epsilon` for any example. Nothing of it carries a
        gradient. Neither the gradients of the parameters nor the model's buffers (running
        statistics of batch normalisation) are touched.

    Raises
    ------
    BadInputError
        When `epsilon` or `step_size` is not positive, or `steps` not a whole number from 1 on.
    """
    check_positive("noise on the inputs", epsilon=epsilon, step_size=step_size)
    check_counts("noise on the inputs", steps=steps)
    inputs = inputs.detach()
    noise = torch.zeros_like(inputs)
    for _ in range(steps):
        gradient = log_odds_gradient(model, inputs, noise, classes)
        noise = within_ball(noise - step_size * unit_length(gradient), epsilon)
    return noise


def log_odds_gradient(model: nn.Module, inputs: Tensor, noise: Tensor, classes: Tensor) -> Tensor:
    """Gradient of each noisy example's log odds by the noise; points where the probability's does.

    The model's buffers are left as they were.
    """
    noise = noise.detach().requires_grad_()
    # Else batch normalisation would count the passes of the search into its running statistics.
    copies = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.enable_grad():
        points = inputs + noise
        logits: Tensor = functional_call(model, copies, (points,)) if copies else model(points)
        odds = log_odds(logits, classes).sum()
    return torch.autograd.grad(odds, noise)[0]


def within_ball(noise: Tensor, epsilon: float) -> Tensor:
    """Shorten the noise of each example to `epsilon` where it is longer."""
    length = _lengths(noise)
    return times_examples(torch.where(length > epsilon, epsilon / length, 1.0), noise)


def unit_length(values: Tensor) -> Tensor:
    """Scale each example to length one; zero stays zero."""
    # Squares of tiny gradients would underflow.
    scaled = _divided(values, values.flatten(1).abs().amax(1))
    return _divided(scaled, _lengths(scaled))


def times_examples(factors: Tensor, values: Tensor) -> Tensor:
    """Multiply each example, shape (examples, ...), by its factor, shape (examples,)."""
    return factors.view(-1, *[1] * (values.ndim - 1)) * values


def _divided(values: Tensor, by: Tensor) -> Tensor:
    by = torch.where(by > 0, by, 1.0)
    return values / by.view(-1, *[1] * (values.ndim - 1))


def _lengths(values: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1)
    return lengths
