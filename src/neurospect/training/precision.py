"""Mixed precision: products in half the bits; parameters, their gradients and losses in full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from neurospect.training.checks import check_choice

Precision = Literal["float32", "bfloat16"]


@contextmanager
def computing_in(precision: Precision, model: nn.Module, device: torch.device) -> Iterator[None]:
    """Let forward passes of `model` compute in a precision, while the context lasts.

    Parameters
    ----------
    precision
        "float32" changes nothing. "bfloat16" has convolutions and matrix products computed, and
        their results kept for the backward pass, in bfloat16 (PyTorch's autocast); what the model
        returns is single precision again.
    model
        With parameters in single precision, which they keep.
    device
        Where the model is.

    Raises
    ------
    BadInputError
        When the precision is not known.
    """
    check_choice("training", "precision", precision, get_args(Precision))
    if precision == "float32":
        yield
        return
    # Else losses and log odds were those of logits rounded to three digits.
    hook = model.register_forward_hook(_in_single_precision)
    try:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    finally:
        hook.remove()


def _in_single_precision(model: nn.Module, inputs: object, outputs: Tensor) -> Tensor:
    return outputs.float()
