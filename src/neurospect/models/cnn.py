"""Convolutional networks over time courses, images and volumes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from neurospect.models.activations import activation_layer
from neurospect.models.checks import (
    Shape,
    Task,
    check_counts,
    check_truth,
    check_widths,
    refusal,
)
from neurospect.models.convolutions import Convolution, MeanOverGrid, chained, channels_first

POOLINGS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


def cnn(
    dimensions: Literal[1, 2, 3],
    task: Task,
    input_shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (32,),
    activation: str = "relu",
    kernel: int = 3,
    stride: int = 2,
    pooling: int = 1,
    weight_normalisation: bool = False,
) -> nn.Sequential:
    """Convolutions, each with its activation, and a linear readout or their mirror image.

    The network with which McClure et al. decode task maps is ``widths=[32, 32, 64, 64, 64],
    stride=1, pooling=2, weight_normalisation=True`` in three dimensions.

    Parameters
    ----------
    dimensions
        1 for time courses, 2 for images, 3 for volumes.
    task
        Auto-encoding mirrors the convolutions by transposed ones, back to the input's exact shape.
        Classification reads all places of the last layer where the input is an image or a volume,
        since it matters where in the brain something lies. Of time courses it reads the mean over
        time: rest has no common clock, and padded steps are not known to the model.
    input_shape
        (time,) or (time, features); (height, width) or (channels, height, width);
        (x, y, z) or (channels, x, y, z).
    classes
        Classes to tell apart.
    widths
        Filters of each convolution.
    activation
        Behind each layer but the last. A key of `neurospect.models.activations.ACTIVATIONS`.
    kernel, stride
        In steps, pixels or voxels, along every axis; (kernel − 1) // 2 zeros pad each side. What
        would leave a far side unread is refused, as a kernel and stride of 2 on an odd length.
    pooling
        Along every axis, how many are averaged into one behind each activation; 1 averages none.
        What is left over at the far sides is dropped. For classification only.
    weight_normalisation
        Make the length and the direction of each filter's weights parameters of their own
        (Salimans and Kingma, 2016).

    Returns
    -------
    torch.nn.Sequential
        Maps (samples, *input_shape) to (samples, classes) or back to (samples, *input_shape).

    Raises
    ------
    BadInputError
        When a setting does not hold what it should, or the layers do not fit the input.
    """
    check_widths(widths)
    check_counts(kernel=kernel, stride=stride, pooling=pooling)
    check_truth(weight_normalisation=weight_normalisation)
    _check_stride_and_pooling(task, kernel, stride, pooling)
    channels, grid, arrange, restore = channels_first(input_shape, dimensions)
    plan = [(width, kernel, stride) for width in widths]
    layers = chained(channels, grid, plan, pooling=pooling)
    _check_that_all_is_read(layers)
    network: OrderedDict[str, nn.Module] = OrderedDict(arrange=arrange)
    network["encoder"] = _encoder(layers, activation, pooling, weight_normalisation)
    if task == "autoencoding":
        network["decoder"] = _decoder(layers, activation, weight_normalisation)
        network["restore"] = restore
        return nn.Sequential(network)
    network["gather"] = MeanOverGrid() if dimensions == 1 else nn.Flatten()
    places = 1 if dimensions == 1 else math.prod(n // pooling for n in layers[-1].grid_left)
    readout = nn.Linear(layers[-1].outputs * places, classes)
    network["readout"] = weight_norm(readout) if weight_normalisation else readout
    return nn.Sequential(network)


def _check_stride_and_pooling(task: Task, kernel: int, stride: int, pooling: int) -> None:
    if stride > kernel:
        raise refusal(
            "stride",
            found=stride,
            expected=f"{kernel} or less, the kernel",
            remedy="Else parts of the input are never read: enlarge the kernel, or step less.",
        )
    if task == "autoencoding" and pooling > 1:
        raise refusal(
            "pooling",
            found=pooling,
            expected="1 for auto-encoding",
            remedy="Use stride instead, which the decoder can undo.",
        )


def _check_that_all_is_read(layers: Sequence[Convolution]) -> None:
    for number, layer in enumerate(layers, start=1):
        read = [
            (left - 1) * layer.stride + layer.kernel - layer.padding for left in layer.grid_left
        ]
        if any(end < size for end, size in zip(read, layer.grid, strict=True)):
            raise refusal(
                "stride",
                found=f"{layer.stride} with kernel {layer.kernel}, where convolution {number} "
                f"reads {layer.grid}",
                expected="a stride whose last step reaches the far sides",
                remedy="Enlarge the kernel, step less, or crop: else these are never read.",
            )


def _encoder(
    layers: Sequence[Convolution], activation: str, pooling: int, weight_normalisation: bool
) -> nn.Sequential:
    made: list[nn.Module] = []
    for layer in layers:
        made += [
            layer.layer(weight_normalisation=weight_normalisation),
            activation_layer(activation),
        ]
        if pooling > 1:
            made.append(POOLINGS[len(layer.grid)](pooling))
    return nn.Sequential(*made)


def _decoder(
    layers: Sequence[Convolution], activation: str, weight_normalisation: bool
) -> nn.Sequential:
    made: list[nn.Module] = []
    for layer in reversed(layers):
        made += [
            layer.mirrored_layer(weight_normalisation=weight_normalisation),
            activation_layer(activation),
        ]
    return nn.Sequential(*made[:-1])
