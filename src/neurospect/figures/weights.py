"""What a figure calls a weight: the layer in words, and the parameter's own name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

# What the role in brackets behind a gated layer's weight stands for.
_GATES = {
    "input": "input gate",
    "forget": "forget gate",
    "cell": "cell candidate",
    "output": "output gate",
    "reset": "reset gate",
    "update": "update gate",
    "new": "candidate state",
}
_GATED = re.compile(r"weight_(ih|hh|hr)_l(\d+)(_reverse)?$")
_ELMAN = re.compile(r"(?:^|\.)(?:(along|against)\.)?(input|hidden)_to_hidden$")
_BETWEEN = {
    "ih": "input-to-hidden",
    "hh": "hidden-to-hidden",
    "hr": "projection",
    "input": "input-to-hidden",
    "hidden": "hidden-to-hidden",
}
# Ends of modules' names, the longer before the shorter that they end in.
_IN_BLOCKS = {
    "attention.self.query": "attention query",
    "attention.self.key": "attention key",
    "attention.self.value": "attention value",
    "attention.output.dense": "attention output",
    "out_proj": "attention output",
    "intermediate.dense": "feed-forward, first layer",
    "output.dense": "feed-forward, second layer",
}
_ALONE = {
    "position_embeddings": "embedding of positions",
    "token_type_embeddings": "embedding of token types",
    "embedding": "embedding",
    "readout": "readout",
}
_STACK = re.compile(r"(encoder|decoder|dense)\.(\d+)$")
_NUMBER = re.compile(r"(?:^|\.)(?:layers?|blocks?)\.(\d+)\.")
_NORMALISED = re.compile(r"\.parametrizations\.weight\.original([01])$")


def layer_words(weights: Sequence[str], words: Mapping[str, str] | None = None) -> dict[str, str]:
    """Say in words which layer each weight belongs to, and what it does there.

    Names of recurrent layers, transformer blocks, encoders, decoders and readouts are understood,
    as the models of this library and PyTorch's and Hugging Face's layers have them. Where none
    is, the weights are taken for a chain of layers.

    Parameters
    ----------
    weights
        Names of the weights, in the order of the model.
    words
        Words for some of them, where these fit better.

    Returns
    -------
    dict
        Weight → "input layer", "layer 1, forget gate, input-to-hidden", "block 2, attention query",
        "encoder layer 1", ...; its module's name where some names are understood, but not this.
    """
    stacks = _stack_words(weights)
    found = {name: stacks.get(name) or _words_of(name) for name in weights}
    if not any(found.values()):
        last = len(weights) - 1
        found = {name: _by_position(place, last) for place, name in enumerate(weights)}
    return {name: (words or {}).get(name) or found[name] or _module(name)[0] for name in weights}


def weight_label(name: str, shape: Sequence[int] | None) -> str:
    """Name a weight and say how large its matrix is: "0.weight (32 × 784)".

    Parameters
    ----------
    name
        Name of the parameter.
    shape
        Its rows and columns: for most layers, outputs and inputs; None where unknown.
    """
    return name if shape is None else f"{name} ({size_label(shape)})"


def size_label(shape: Sequence[int]) -> str:
    """Rows and columns of a matrix: "32 × 784"."""
    return " × ".join(f"{size}" for size in shape)


def two_line_titles(words: str, name: str, shape: Sequence[int] | None) -> list[str]:
    """Titles of narrow axes on two lines, each shorter than the one before.

    Words of three parts or more take both lines; the parameter's name stands under others. Where
    that is too long, the words stand alone.

    Parameters
    ----------
    words
        Its layer in words.
    name, shape
        As in `weight_label`.
    """
    parts = words.split(", ")
    if len(parts) < 3:
        sizes = [] if shape is None else [f"{words}\n{size_label(shape)}"]
        named = [f"{words}\n{weight_label(name, shape)}", f"{words}\n{name}"]
        return [*named, *sizes, "\n".join(parts)]
    broken = [(", ".join(parts[:at]), ", ".join(parts[at:])) for at in range(1, len(parts))]
    return ["\n".join(min(broken, key=lambda lines: max(map(len, lines))))]


def chosen_weights(weights: Sequence[str], most: int) -> list[str]:
    """Choose `most` of the weights, two or more: the first, the last, and evenly between them."""
    last = len(weights) - 1
    if last < most:
        return list(weights)
    return [weights[place * last // (most - 1)] for place in range(most)]


def shape_of(node: xr.Dataset) -> list[int] | None:
    """Rows and columns of the weight that a node of spectra belongs to."""
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


def _module(name: str) -> tuple[str, str, str]:
    """Split a weight's name into its module, its role, and what weight normalisation makes of it.

    The last of the module's name is that of the parameter, unless that is "weight".
    """
    path, _, role = name.removesuffix("]").partition("[")
    kind = _NORMALISED.search(path)
    if kind:
        return path[: kind.start()], role, ("filter lengths", "filter directions")[int(kind[1])]
    return path.removesuffix(".weight"), role, ""


def _stack_words(weights: Sequence[str]) -> dict[str, str]:
    """Count the layers of encoders, decoders and dense stacks, not the activations between."""
    places: dict[str, list[str]] = {}
    found = {}
    for name in weights:
        module, _, kind = _module(name)
        match = _STACK.match(module)
        if match:
            stack = places.setdefault(match[1], [])
            if match[2] not in stack:
                stack.append(match[2])
            words = f"{match[1]} layer {stack.index(match[2]) + 1}"
            found[name] = f"{words}, {kind}" if kind else words
    return found


def _words_of(name: str) -> str:
    module, role, kind = _module(name)
    number = _NUMBER.search(module)
    place = int(number[1]) if number else 0
    gated, elman = _GATED.search(module), _ELMAN.search(module)
    if gated:
        parts = [f"layer {place + int(gated[2]) + 1}", _GATES.get(role, role), _BETWEEN[gated[1]]]
        parts.append("backwards" if gated[3] else "")
    elif elman:
        backwards = "backwards" if elman[1] == "against" else ""
        parts = [f"layer {place + 1}", _BETWEEN[elman[2]], backwards]
    else:
        block = f"block {place + 1}" if number else ""
        parts = [block, _ending(module, _IN_BLOCKS) or (f"attention {role}" if role else "")]
        if not parts[1]:
            parts = [_ending(module, _ALONE)]
        # A layer whose name says nothing is not called by its weight normalisation alone.
        if parts[-1]:
            parts.append(kind)
    return ", ".join(filter(None, parts))


def _ending(module: str, known: Mapping[str, str]) -> str:
    return next((words for end, words in known.items() if f".{module}".endswith(f".{end}")), "")
