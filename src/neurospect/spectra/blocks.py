"""Blocks of samples: the units that a permutation test moves between groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.groups import SampleGroups


@dataclass(frozen=True)
class BlockPlan:
    """Which groups are cut into blocks, how finely, and at which steps their gradients are kept.

    Attributes
    ----------
    groups
        Names of the groups to compare.
    per_group
        Blocks in each group, at most; a group of fewer samples gets one block per sample.
    steps
        Steps at which to keep block gradients.
    """

    groups: tuple[str, ...]
    per_group: int
    steps: frozenset[int]

    def cut(self, groups: SampleGroups) -> tuple[int, int]:
        """Return (blocks per group, samples per block), the same for every group of the plan.

        Equal numbers of blocks of equal size make the comparison size-matched: what is left over
        of a larger group takes no part in it.

        Raises
        ------
        BadInputError
            When a group of the plan is unknown or has fewer than two samples.
        """
        sizes = dict(zip(groups.names, groups.sizes, strict=True))
        for name in self.groups:
            if sizes.get(name, 0) < 2:
                raise BadInputError(
                    "block plan",
                    f"group {name}",
                    found=f"{sizes.get(name, 0)} samples",
                    expected="at least 2, for labels to be permuted",
                    remedy="Compare groups that are there, or add samples.",
                )
        smallest = min(sizes[name] for name in self.groups)
        blocks = min(self.per_group, smallest)
        return blocks, smallest // blocks


def spread_steps(steps: int, wanted: int) -> tuple[int, ...]:
    """Choose about `wanted` of `steps` steps, first and last among them, evenly on a log axis.

    Training moves fastest at its start, so that is where the steps lie closest together. Where one
    is wanted, it is the last.
    """
    if wanted == 1:
        return (steps - 1,)
    if wanted >= steps:
        return tuple(range(steps))
    spaced = np.geomspace(1, steps, wanted)
    return tuple(sorted({round(float(step)) - 1 for step in spaced}))


def block_gradients(
    activation: Tensor, adjoint: Tensor, start: int, blocks: int, size: int
) -> Tensor:
    """Gradients of consecutive blocks of samples, all of one size.

    Parameters
    ----------
    activation, adjoint
        In group order, shapes (samples, [...], inputs) and (samples, [...], outputs); dimensions
        between the first and the last (tokens, time) are folded into the samples.
    start
        First sample of the first block.
    blocks, size
        How many blocks, and samples in each.

    Returns
    -------
    torch.Tensor
        Shape (blocks, outputs, inputs): the layout of the weight in PyTorch.
    """
    stop = start + blocks * size
    a = activation[start:stop].reshape(blocks, -1, activation.shape[-1])
    d = adjoint[start:stop].reshape(blocks, -1, adjoint.shape[-1])
    return d.mT @ a
