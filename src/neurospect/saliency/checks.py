"""Checks that making maps, judging them and removing values share, before any work."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError


def checked_seed(where: str, seed: object, *, negative: bool = True) -> int:
    """Return a seed as a plain number, which a checkpoint can keep.

    Parameters
    ----------
    where
        For what.
    seed
        What was given.
    negative
        Whether numbers below zero will do: for PyTorch they do, for NumPy they do not.

    Raises
    ------
    BadInputError
        When it is no such whole number.
    """
    if not isinstance(seed, Integral) or (int(seed) < 0 and not negative):
        raise BadInputError(
            where,
            "seed",
            found=repr(seed),
            expected="a whole number" if negative else "a whole number, 0 or more",
            remedy="Mend the number.",
        )
    return int(seed)


def check_finite(where: str, field: str, values: Tensor) -> None:
    """Refuse values, shape (examples, ...), that are not finite, by the first such example.

    Raises
    ------
    BadInputError
        When there is one.
    """
    finite = torch.isfinite(values).flatten(1).all(1)
    if not finite.all():
        raise BadInputError(
            where,
            f"{field}, example {int(torch.nonzero(~finite)[0])}",
            found=f"NaN or infinity, and {int((~finite).sum())} such examples in all",
            expected="finite values",
            remedy="Leave out or mend these examples.",
        )


def checked_logits(outputs: Any, examples: int, classes: int = 1) -> Tensor:
    """Return what a model gave, if it is logits.

    Parameters
    ----------
    outputs
        Of the model.
    examples
        How many went in.
    classes
        How many there must be at least.

    Raises
    ------
    BadInputError
        When they are not a tensor of shape (examples, classes).
    """
    is_tensor = isinstance(outputs, Tensor)
    if not is_tensor or outputs.ndim != 2 or len(outputs) != examples or outputs.shape[1] < classes:
        more = f", {classes} classes or more" if classes > 1 else ""
        raise BadInputError(
            "model",
            "output",
            found=f"shape {tuple(outputs.shape)}" if is_tensor else type(outputs).__name__,
            expected=f"logits, a tensor of shape ({examples}, classes){more}",
            remedy="Give a model that classifies; wrap one that returns more than its logits.",
        )
    logits: Tensor = outputs
    return logits


def checked_mask(where: str, mask: ArrayLike | Tensor) -> NDArray[np.bool_]:
    """Return a mask as an array of booleans.

    Raises
    ------
    BadInputError
        When it holds anything but booleans, or the numbers 0 and 1.
    """
    values = as_array(mask)
    if values.dtype.kind == "b":
        return values
    real = values.dtype.kind in "iuf"
    fitting = (values == 0) | (values == 1) if real else np.zeros(values.shape, dtype=bool)
    if not fitting.all():
        raise BadInputError(
            where,
            "mask",
            found=f"{values.dtype}, with values as {values[~fitting][0]!s}",
            expected="booleans, or 0 outside and 1 inside",
            remedy="Say which places are inside, as by mask > 0.",
        )
    return values.astype(bool)
