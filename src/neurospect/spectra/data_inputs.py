"""The spectra of data that enter a model again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# The data of each group: one tensor for each time that they entered a layer.
DataOfGroups = Sequence[Sequence[Tensor]]


class KnownSpectra:
    """The last data that entered each layer, copied, and the singular values of their rows.

    The data of a full-batch loop are the same at every step, so they are decomposed once. They are
    compared value by value: memory that is filled anew has the address of what it held before.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[DataOfGroups, Tensor]] = {}

    def of(self, weight: str, data: DataOfGroups, compute: Callable[[], Tensor]) -> Tensor:
        """Singular values of these data: those of the step before where the data are, too.

        Parameters
        ----------
        weight
            That they enter.
        data
            Samples first.
        compute
            Decomposes them.
        """
        known = self._known.get(weight)
        if known is None or not _are_equal(known[0], data):
            copies = [[one.clone() for one in of_group] for of_group in data]
            known = self._known[weight] = copies, compute()
        return known[1]


def _are_equal(some: DataOfGroups, others: DataOfGroups) -> bool:
    if [len(of_group) for of_group in some] != [len(of_group) for of_group in others]:
        return False
    pairs = [
        pair for groups in zip(some, others, strict=True) for pair in zip(*groups, strict=True)
    ]
    return all(a.dtype == b.dtype and a.device == b.device and torch.equal(a, b) for a, b in pairs)
