"""Spectral differences between two groups under permuted labels, from kept block gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.singular_values import noise_floor, singular_values

# Relabelings whose group gradients are in memory at once.
AT_ONCE = 64


def permuted_differences(
    blocks: xr.DataTree, groups: Sequence[str], *, permutations: int, seed: int
) -> xr.DataTree:
    """Log-ratios of two groups' gradient spectra, as observed and under permuted labels.

    The gradient of a group is the sum of its blocks' gradients, so a relabeling is a sum over other
    blocks and needs no further training. Both groups have equally many blocks of equal size, before
    and after. All weights and steps share the same relabelings, so that a maximum over them
    controls the family-wise error. A relabeling that is drawn again has the same bits again, and
    one that swaps the groups the opposite: ties with the observed labels are ties.

    Parameters
    ----------
    blocks
        As `GradientSpectra.to_block_datatree` gives it.
    groups
        Names of the two groups (a, b).
    permutations
        Random relabelings.
    seed
        Of the relabelings.

    Returns
    -------
    xarray.DataTree
        Per weight: `difference` (step, rank), log₂ σ_a − log₂ σ_b; `permuted`
        (permutation, step, rank), the same under each relabeling; `tested` (step, rank), whether
        the singular value of both groups together is above its noise floor.

    Raises
    ------
    BadInputError
        When a group has no blocks, or too few for the relabelings to differ.
    """
    weights = list(blocks.children.values())
    first = weights[0].to_dataset() if weights else xr.Dataset(coords={"group": ("block", [])})
    held = [np.flatnonzero(first["group"].values == group) for group in groups]
    if len(held[0]) != len(held[1]) or len(held[0]) < 2:
        raise BadInputError(
            "block gradients",
            f"groups {', '.join(groups)}",
            found=f"{' and '.join(str(len(part)) for part in held)} blocks",
            expected="two or more, as many in one as in the other",
            remedy="Compare groups that were kept, or raise the number of participants.",
        )
    labels = _relabelings(len(held[0]), permutations, seed)
    chosen = np.concatenate(held)
    nodes: dict[str, xr.Dataset] = {
        "/": xr.Dataset(
            attrs={
                "groups": list(groups),
                "blocks_per_group": len(held[0]),
                "block_size": blocks.attrs["block_size"],
                "relabelings_possible": float(math.comb(len(chosen), len(held[0]))),
            }
        )
    }
    for node in weights:
        gradients = node.to_dataset()["gradient"].isel(block=chosen)
        per_step = [_differences(torch.from_numpy(step), labels) for step in gradients.values]
        # One precision for the observed and the permuted, so that what ties goes on to tie.
        differences = np.stack([found for found, _ in per_step], axis=1).astype(np.float32)
        tested = np.stack([above for _, above in per_step])
        nodes[f"/{node.name}"] = xr.Dataset(
            {
                "difference": (("step", "rank"), differences[0]),
                "permuted": (("permutation", "step", "rank"), differences[1:]),
                "tested": (("step", "rank"), tested.astype(np.int8)),
            },
            coords={
                "step": ("step", gradients["step"].values),
                "rank": ("rank", np.arange(1, tested.shape[1] + 1)),
            },
        )
    return xr.DataTree.from_dict(nodes, name="permuted_differences")


@dataclass(frozen=True)
class _Labelings:
    """Labelings, the observed one first, by those that differ by more than a swap of the groups.

    Attributes
    ----------
    distinct
        Shape (distinct, blocks): true in one group.
    which
        Shape (labelings,): the distinct one.
    sign
        Shape (labelings,): -1 where its groups are swapped.
    """

    distinct: NDArray[np.bool_]
    which: NDArray[np.intp]
    sign: NDArray[np.float64]


def _relabelings(per_group: int, permutations: int, seed: int) -> _Labelings:
    rng = np.random.default_rng(seed)
    observed = np.repeat([True, False], per_group)
    drawn = rng.permuted(np.tile(observed, (permutations, 1)), axis=1)
    every = np.vstack([observed, drawn])
    swapped = ~every[:, 0]
    distinct, which = np.unique(every ^ swapped[:, None], axis=0, return_inverse=True)
    return _Labelings(distinct, which.ravel(), np.where(swapped, -1.0, 1.0))


def _differences(
    gradients: Tensor, labels: _Labelings
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """log₂ ratios, shape (labelings, rank), and which values rise above their noise.

    One noise floor serves all labelings and both groups, that of the largest singular value among
    them: two values under it do not differ, and a group without any gradient differs by as much as
    can be told from noise, not by infinity.
    """
    shape = (gradients.shape[1], gradients.shape[2])
    flat = gradients.flatten(1)
    both = singular_values(flat.sum(0).view(1, *shape))[0]
    in_a, in_b = [], []
    for part in torch.split(torch.from_numpy(labels.distinct).to(gradients.dtype), AT_ONCE):
        in_a.append(singular_values((part @ flat).view(-1, *shape)))
        in_b.append(singular_values(((1 - part) @ flat).view(-1, *shape)))
    a, b = torch.cat(in_a), torch.cat(in_b)
    largest = torch.cat([a[:, 0], b[:, 0], both[:1]]).max()
    floor = noise_floor(largest, shape, gradients.dtype)
    least = floor.clamp_min(torch.finfo(torch.float64).tiny)
    ratios = (torch.log2(torch.maximum(a, least)) - torch.log2(torch.maximum(b, least))).numpy()
    return labels.sign[:, None] * ratios[labels.which], (both > floor).numpy()
