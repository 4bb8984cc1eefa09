"""Checks that judging maps and removing values share, before any work."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
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


def checked_logits(outputs: Any, examples: int) -> Tensor:
    """Return what a model gave, if it is logits.

    Parameters
    ----------
    outputs
        Of the model.
    examples
        How many went in.

    Raises
    ------
    BadInputError
        When they are not a tensor of shape (examples, classes).
    """
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != examples:
        is_tensor = isinstance(outputs, Tensor)
        raise BadInputError(
            "model",
            "output",
            found=f"shape {tuple(outputs.shape)}" if is_tensor else type(outputs).__name__,
            expected=f"logits, a tensor of shape ({examples}, classes)",
            remedy="Give a model that classifies; wrap one that returns more than its logits.",
        )
    return outputs


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
