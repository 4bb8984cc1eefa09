"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from neurospect.errors import BadInputError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def mlp(inputs: int, outputs: int, *, widths: Sequence[int], activation: str) -> nn.Sequential:
    """Fully connected layers with one activation between them and none at the end.

    Parameters
    ----------
    inputs, outputs
        Features of an example, and of what is predicted (logits, or the features rebuilt).
    widths
        Units of each hidden layer.
    activation
        "relu", "tanh" or "sigmoid".

    Returns
    -------
    torch.nn.Sequential
        Maps (samples, inputs) to (samples, outputs), with PyTorch's initial weights.

    Raises
    ------
    BadInputError
        When there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise BadInputError(
            "model",
            "activation",
            found=repr(activation),
            expected=f"one of {', '.join(ACTIVATIONS)}",
            remedy="Mend the name.",
        )
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
