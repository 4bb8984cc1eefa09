"""Spectral differences between two groups under permuted labels, from kept block gradients."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neurospect.arrays.relabelings import relabelings
from neurospect.errors import BadInputError
from neurospect.spectra.singular_values import noise_floor, singular_values

log = logging.getLogger(__name__)

# Relabelings whose group gradients are in memory at once.
AT_ONCE = 64


def permuted_differences(
    blocks: xr.DataTree,
    groups: Sequence[str],
    *,
    permutations: int,
    seed: int,
    strata: ArrayLike | None = None,
    units: ArrayLike | None = None,
    alpha: float | None = None,
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
    strata, units
        Stratum (such as the site) and unit (such as the family) of every block of the tree, in its
        order, also of groups that are not compared: labels are exchanged inside a stratum, and
        between whole units, as in `relabelings`. By default any block may take any other's place.
    alpha
        Level of the test to come: relabelings too few for it are refused; by default none are.

    Returns
    -------
    xarray.DataTree
        Per weight: `difference` (step, rank), log₂ σ_a − log₂ σ_b; `permuted`
        (permutation, step, rank), the same under each relabeling; `leave_one_out`
        (unit, step, rank), the observed difference without each unit, at mean scale, with
        `unit_group` (unit), its group or groups; `tested` (step, rank), whether the singular value
        of both groups together is above its noise floor. The root's attributes count the blocks
        that are never exchanged.

    Raises
    ------
    BadInputError
        When a group has no blocks or too few, `strata` or `units` do not fit the blocks, or the
        relabelings do not differ, or too little for `alpha`.
    """
    weights = list(blocks.children.values())
    first = weights[0].to_dataset() if weights else xr.Dataset(coords={"group": ("block", [])})
    of_block = first["group"].values
    chosen = _compared_blocks(of_block, groups)
    observed = of_block[chosen] == groups[0]
    unit = _of_chosen("units", units, chosen, of_block.size)
    drawn = relabelings(
        observed,
        permutations=permutations,
        seed=seed,
        strata=_of_chosen("strata", strata, chosen, of_block.size),
        units=unit,
        alpha=alpha,
    )
    fixed = int((~drawn.exchanged).sum())
    if fixed:
        log.warning("%d of %d blocks are never exchanged between groups", fixed, len(chosen))
    labels = _labelings(drawn.labels)
    left_out = _units_left_out(np.arange(len(chosen)) if unit is None else unit)
    unit_groups = [_names_of(observed[out], groups) for out in left_out]
    facts = {
        "groups": list(groups),
        "blocks_per_group": len(chosen) // 2,
        "block_size": blocks.attrs["block_size"],
        "blocks_never_exchanged": fixed,
        "relabelings_possible": float(drawn.possible) if drawn.possible < 1e300 else math.inf,
    }
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=facts)}
    for node in weights:
        gradients = node.to_dataset()["gradient"].isel(block=chosen)
        found = _differences_over_steps(gradients, labels, observed, left_out)
        coords = {"unit_group": ("unit", np.array(unit_groups, dtype=object))}
        nodes[f"/{node.name}"] = found.assign_coords(coords)
    return xr.DataTree.from_dict(nodes, name="permuted_differences")


def _compared_blocks(of_block: NDArray[Any], groups: Sequence[str]) -> NDArray[np.intp]:
    """Blocks of the first group, then as many of the second."""
    held = [np.flatnonzero(of_block == group) for group in groups]
    if len(held[0]) != len(held[1]) or len(held[0]) < 2:
        raise BadInputError(
            "block gradients",
            f"groups {', '.join(groups)}",
            found=f"{' and '.join(str(len(part)) for part in held)} blocks",
            expected="two or more, as many in one as in the other",
            remedy="Compare groups that were kept, or raise the number of participants.",
        )
    return np.concatenate(held)


def _of_chosen(
    field: str, values: ArrayLike | None, chosen: NDArray[np.intp], blocks: int
) -> NDArray[Any] | None:
    """Look up what was given for every block."""
    if values is None:
        return None
    vector = np.asarray(values)
    if vector.shape != (blocks,):
        raise BadInputError(
            "block gradients",
            field,
            found=f"shape {vector.shape}",
            expected=f"({blocks},), one value for each block",
            remedy="Name them for every block of the tree, in its order.",
        )
    return vector[chosen]


def _units_left_out(unit: NDArray[Any]) -> NDArray[np.bool_]:
    """Which blocks leave with each unit, units in the order of their first block."""
    _, first, codes = np.unique(unit.astype(str), return_index=True, return_inverse=True)
    return np.stack([codes == code for code in np.argsort(first)])


def _names_of(in_a: NDArray[np.bool_], groups: Sequence[str]) -> str:
    return " and ".join(
        name for name, there in zip(groups, (in_a.any(), not in_a.all()), strict=True) if there
    )


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


def _labelings(every: NDArray[np.bool_]) -> _Labelings:
    swapped = ~every[:, 0]
    distinct, which = np.unique(every ^ swapped[:, None], axis=0, return_inverse=True)
    return _Labelings(distinct, which.ravel(), np.where(swapped, -1.0, 1.0))


def _differences_over_steps(
    gradients: xr.DataArray,
    labels: _Labelings,
    observed: NDArray[np.bool_],
    left_out: NDArray[np.bool_],
) -> xr.Dataset:
    per_step = [
        _differences(torch.from_numpy(step), labels, observed, left_out)
        for step in gradients.values
    ]
    # One precision for the observed and the permuted, so that what ties goes on to tie.
    every = np.stack([ratios for ratios, _, _ in per_step], axis=1).astype(np.float32)
    without = np.stack([ratios for _, ratios, _ in per_step], axis=1).astype(np.float32)
    tested = np.stack([above for _, _, above in per_step]).astype(np.int8)
    return xr.Dataset(
        {
            "difference": (("step", "rank"), every[0]),
            "permuted": (("permutation", "step", "rank"), every[1:]),
            "leave_one_out": (("unit", "step", "rank"), without),
            "tested": (("step", "rank"), tested),
        },
        coords={
            "step": ("step", gradients["step"].values),
            "rank": ("rank", np.arange(1, tested.shape[1] + 1)),
        },
    )


def _differences(
    gradients: Tensor,
    labels: _Labelings,
    observed: NDArray[np.bool_],
    left_out: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """log₂ ratios of all labelings and without each unit, and which values rise above their noise.

    One noise floor serves all labelings and both groups, that of the largest singular value among
    them: two values under it do not differ, and a group without any gradient differs by as much as
    can be told from noise, not by infinity.
    """
    shape = (gradients.shape[1], gradients.shape[2])
    both = singular_values(gradients.sum(0)[None])[0]
    a, b = _spectra(gradients, labels.distinct), _spectra(gradients, ~labels.distinct)
    largest = torch.cat([a[:, 0], b[:, 0], both[:1]]).max()
    floor = noise_floor(largest, shape, gradients.dtype)
    least = floor.clamp_min(torch.finfo(torch.float64).tiny)

    def log_ratios(above: Tensor, below: Tensor) -> NDArray[np.float64]:
        ratios = torch.log2(torch.maximum(above, least)) - torch.log2(torch.maximum(below, least))
        return np.asarray(ratios.numpy(), dtype=np.float64)

    ratios = labels.sign[:, None] * log_ratios(a, b)[labels.which]
    without = log_ratios(
        *(_without(gradients, members, left_out) for members in (observed, ~observed))
    )
    return ratios, without, (both > floor).numpy()


def _spectra(gradients: Tensor, members: NDArray[np.bool_]) -> Tensor:
    """Singular values of the sums over each row's members, shape (rows, rank)."""
    flat = gradients.flatten(1)
    rows = torch.from_numpy(members).to(gradients.dtype)
    return torch.cat(
        [
            singular_values((part @ flat).view(-1, *gradients.shape[1:]))
            for part in torch.split(rows, AT_ONCE)
        ]
    )


def _without(gradients: Tensor, members: NDArray[np.bool_], left_out: NDArray[np.bool_]) -> Tensor:
    """Spectra of a group without some of its members, scaled up as if none had been left out."""
    left = members & ~left_out
    share = np.maximum(left.sum(axis=1), 1) / members.sum()
    return _spectra(gradients, left) / torch.from_numpy(share)[:, None]
