"""All-convolutional networks: strided convolutions in place of pooling."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import nn

from neurospect.models.activations import activation_layer
from neurospect.models.checks import Shape, Task, check_truth, check_widths
from neurospect.models.convolutions import MeanOverGrid, chained, channels_first
from neurospect.models.mlp import mlp

KERNEL = 3


def all_convolutional(
    dimensions: Literal[2, 3],
    task: Task,
    input_shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (96, 192),
    dense: Sequence[int] = (512, 512, 512),
    activation: str = "elu",
    weight_normalisation: bool = False,
) -> nn.Sequential:
    """All-convolutional network in the manner of Springenberg et al. (2015).

    Each stage is two convolutions of kernel 3 and stride 1, and one of stride 2 that halves the
    grid. A convolution of kernel 1 follows, the mean over the grid, and fully connected layers.
    By default sizes are those of table 1, Net2, of the self-introspection paper.

    Parameters
    ----------
    dimensions
        2 for images, 3 for volumes.
    task
        Classification.
    input_shape
        (height, width) or (channels, height, width); (x, y, z) or (channels, x, y, z).
    classes
        Classes to tell apart.
    widths
        Filters of each stage's convolutions; the convolution of kernel 1 has the last number.
    dense
        Units of each fully connected layer; may be empty.
    activation
        Behind each layer but the last. A key of `neurospect.models.activations.ACTIVATIONS`.
    weight_normalisation
        Of the convolutions, as in `neurospect.models.cnn.cnn`.

    Returns
    -------
    torch.nn.Sequential
        Maps (samples, *input_shape) to logits, shape (samples, classes).

    Raises
    ------
    BadInputError
        When a setting does not hold what it should, or the stages do not fit the input.
    """
    check_widths(widths)
    check_widths(dense, field="dense", least_layers=0)
    check_truth(weight_normalisation=weight_normalisation)
    channels, grid, arrange, _ = channels_first(input_shape, dimensions)
    plan = [(width, KERNEL, stride) for width in widths for stride in (1, 1, 2)]
    convolutions: list[nn.Module] = []
    for layer in chained(channels, grid, [*plan, (widths[-1], 1, 1)]):
        convolutions += [
            layer.layer(weight_normalisation=weight_normalisation),
            activation_layer(activation),
        ]
    return nn.Sequential(
        OrderedDict(
            arrange=arrange,
            encoder=nn.Sequential(*convolutions),
            gather=MeanOverGrid(),
            dense=mlp(task, (widths[-1],), classes, widths=dense, activation=activation),
        )
    )
