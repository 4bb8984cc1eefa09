"""What models of time courses share: how a step is counted, and how steps are read."""

from __future__ import annotations

from torch import Tensor, nn

from neurospect.models.checks import Shape, Task


def features_of(input_shape: Shape) -> int:
    """Values at each step of (time, features), or of (time,), which is one signal."""
    return input_shape[1] if len(input_shape) == 2 else 1


def outputs_of_steps(
    task: Task, readout: nn.Module, steps: Tensor, input_shape: tuple[int, ...]
) -> Tensor:
    """Read the outcome from what a model made of each step.

    Parameters
    ----------
    task
        Classification reads the mean over time; auto-encoding reads every step.
    readout
        From one step to logits, or to the step rebuilt.
    steps
        Shape (samples, time, width).
    input_shape
        Shape of the batch, (samples, time[, features]), that auto-encoding gives back.

    Returns
    -------
    torch.Tensor
        Logits, shape (samples, classes), or the batch rebuilt.
    """
    outputs: Tensor
    if task == "classification":
        outputs = readout(steps.mean(1))
    else:
        outputs = readout(steps).reshape(input_shape)
    return outputs
