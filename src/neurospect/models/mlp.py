"""Multi-layer perceptrons, and the linear model: one without a hidden layer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from neurospect.models.activations import activation_layer
from neurospect.models.checks import Shape, Task, check_widths


def mlp(
    task: Task,
    input_shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (32,),
    activation: str = "relu",
) -> nn.Sequential:
    """Fully connected layers with one activation between them and none at the end.

    Parameters
    ----------
    task
        Auto-encoding rebuilds the example, in its own shape; classification gives logits.
    input_shape
        Sizes of one example, in any number of dimensions; more than one are flattened.
    classes
        Classes to tell apart.
    widths
        Units of each hidden layer.
    activation
        Key of `neurospect.models.activations.ACTIVATIONS`.

    Returns
    -------
    torch.nn.Sequential
        Maps (samples, *input_shape) to (samples, classes) or back to (samples, *input_shape),
        with PyTorch's initial weights. Parameters are named by their place among the layers
        ("0.weight"), whatever the input's shape.

    Raises
    ------
    BadInputError
        When the widths are no sizes, or there is no such activation.
    """
    check_widths(widths, least_layers=0)
    inputs = math.prod(input_shape)
    outputs = inputs if task == "autoencoding" else classes
    hidden: list[nn.Module] = []
    for width in widths:
        hidden += [nn.Linear(inputs, width), activation_layer(activation)]
        inputs = width
    layers = [*hidden, nn.Linear(inputs, outputs)]
    if len(input_shape) == 1:
        return nn.Sequential(*layers)
    named: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    named.update((str(place), layer) for place, layer in enumerate(layers))
    if task == "autoencoding":
        named["unflatten"] = nn.Unflatten(1, input_shape)
    return nn.Sequential(named)


def linear(task: Task, input_shape: Shape, classes: int) -> nn.Sequential:
    """Multinomial logistic regression: one weight per class and feature, and no hidden layer.

    Parameters
    ----------
    task
        Classification.
    input_shape, classes
        As in `mlp`.

    Returns
    -------
    torch.nn.Sequential
        Maps (samples, *input_shape) to logits, shape (samples, classes).
    """
    return mlp(task, input_shape, classes, widths=())
