"""Tensors of PyTorch as arrays of NumPy, and told apart by their content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

# Other floating-point numbers, as bfloat16, NumPy does not know; single precision holds them all.
_KNOWN_TO_NUMPY = (torch.float16, torch.float32, torch.float64)


def as_array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Take values as an array, whether they are a tensor or not.

    Parameters
    ----------
    values
        An array, or what NumPy makes one of; or a tensor of any precision, on any device, that may
        require a gradient.

    Returns
    -------
    numpy.ndarray
        Of the same shape and values, and not copied where that can be avoided; bfloat16 as float32.
    """
    if not isinstance(values, Tensor):
        return np.asarray(values)
    found = values.detach().cpu()
    if found.is_floating_point() and found.dtype not in _KNOWN_TO_NUMPY:
        found = found.float()
    array: NDArray[Any] = found.numpy()
    return array


def tensors_sha256(*tensors: Tensor) -> str:
    """sha256 of the types, shapes and values of tensors, in their order.

    Parameters
    ----------
    tensors
        Of any type and shape, on any device. What does not lie in memory in its own order is read
        row by row, so that it is not copied whole.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        for part in [tensor] if tensor.is_contiguous() else tensor:
            whole = part.detach().cpu().contiguous().reshape(-1)
            digest.update(whole.view(torch.uint8).numpy().data)
    return digest.hexdigest()
