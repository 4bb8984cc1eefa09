"""What each family of models lets one choose; `models.registry` builds by the same names.

The registry needs PyTorch, whose import would slow down every look at a configuration.
"""

from __future__ import annotations

from typing import Literal

ModelFamily = Literal[
    "mlp",
    "linear",
    "rnn",
    "lstm",
    "gru",
    "bert",
    "cnn1d",
    "cnn2d",
    "cnn3d",
    "allconv2d",
    "allconv3d",
]
_RECURRENT = ("widths", "activation", "bidirectional")
_CONVOLUTIONAL = ("widths", "activation", "kernel", "stride", "pooling", "weight_normalisation")
_ALL_CONVOLUTIONAL = ("widths", "dense", "activation", "weight_normalisation")
ARCHITECTURE_SETTINGS: dict[str, tuple[str, ...]] = {
    "mlp": ("widths", "activation"),
    "linear": (),
    **dict.fromkeys(("rnn", "lstm", "gru"), _RECURRENT),
    "bert": ("widths", "activation", "heads", "dropout"),
    **dict.fromkeys(("cnn1d", "cnn2d", "cnn3d"), _CONVOLUTIONAL),
    **dict.fromkeys(("allconv2d", "allconv3d"), _ALL_CONVOLUTIONAL),
}
ONLY_CLASSIFIES = ("linear", "allconv2d", "allconv3d")
