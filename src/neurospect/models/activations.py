"""Activations by name."""

from __future__ import annotations

from torch import nn

from neurospect.models.checks import refusal

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "identity": nn.Identity,
}


def activation_layer(name: str) -> nn.Module:
    """Make the layer of an activation.

    Parameters
    ----------
    name
        Key of `ACTIVATIONS`.

    Raises
    ------
    BadInputError
        When there is no such activation.
    """
    if name not in ACTIVATIONS:
        raise refusal(
            "activation",
            found=repr(name),
            expected=f"one of {', '.join(ACTIVATIONS)}",
            remedy="Mend the name.",
        )
    return ACTIVATIONS[name]()
