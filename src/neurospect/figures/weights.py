"""What a figure calls a weight: the layer in words, and the parameter's own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr


def layer_words(weights: Sequence[str], words: Mapping[str, str] | None = None) -> dict[str, str]:
    """Say in words which layer each weight belongs to.

    Parameters
    ----------
    weights
        Names of the weights, in the order of the model.
    words
        Words for some of them, for models that are more than a chain of layers.

    Returns
    -------
    dict
        Weight → "input layer", "hidden layer 1", ..., "output layer".
    """
    given = words or {}
    last = len(weights) - 1
    return {
        name: given.get(name) or _by_position(position, last)
        for position, name in enumerate(weights)
    }


def weight_label(name: str, shape: Sequence[int] | None) -> str:
    """Name a weight and say what it maps to what: "0.weight (784 → 32)".

    Parameters
    ----------
    name
        Name of the parameter.
    shape
        Its [outputs, inputs]; None where unknown.
    """
    if shape is None or len(shape) != 2:
        return name
    outputs, inputs = shape
    return f"{name} ({inputs} → {outputs})"


def shape_of(node: xr.Dataset) -> list[int] | None:
    """Shape [outputs, inputs] of the weight that a node of spectra belongs to."""
    if "weight_shape" not in node.attrs:
        return None
    return [int(size) for size in np.atleast_1d(node.attrs["weight_shape"])]


def _by_position(position: int, last: int) -> str:
    if last == 0:
        return "only layer"
    if position == 0:
        return "input layer"
    if position == last:
        return "output layer"
    return f"hidden layer {position}"
