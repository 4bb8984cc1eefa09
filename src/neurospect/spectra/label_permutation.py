"""Spectral differences between two groups under permuted labels, from kept block gradients."""

from __future__ import annotations

import json
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
        between whole units, as in `relabelings`. By default those that the tree itself names.
    alpha
        Level of the test to come: relabelings too few for it are refused; by default none are.

    Returns
    -------
    xarray.DataTree
        Per weight: `difference` (step, rank), log₂ σ_a − log₂ σ_b; `permuted`
        (permutation, step, rank), the same under each relabeling; `leave_one_out`
        (unit, step, rank), the observed difference without each unit, at mean scale, with
        `unit_group` (unit), its group or groups; `tested` (step, rank), whether the singular value
        of both groups together is above its noise floor. The root's attributes count the blocks,
        and those that are never exchanged, and say how labels were exchanged (`exchanged`), whether
        they were what the model learnt (`labels_are_target`: no, in part, yes), and that no model
        was trained again (`retrained`, 0).

    Raises
    ------
    BadInputError
        When there are not two groups, a group has no blocks or too few, `strata` or `units` do not
        fit the blocks, or the relabelings do not differ, or too little for `alpha`.
    """
    weights = list(blocks.children.values())
    first = weights[0].to_dataset() if weights else xr.Dataset(coords={"group": ("block", [])})
    of_block = first["group"].values
    chosen = _compared_blocks(of_block, groups)
    observed = of_block[chosen] == groups[0]
    unit = _of_chosen("units", _named(first, "unit", units), chosen, of_block.size)
    drawn = relabelings(
        observed,
        permutations=permutations,
        seed=seed,
        strata=_of_chosen("strata", _named(first, "stratum", strata), chosen, of_block.size),
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
        "exchanged": blocks.attrs.get("exchanged", ""),
        "labels_are_target": labels_are_target(blocks, groups),
        "retrained": 0,
    }
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=facts)}
    for node in weights:
        gradients = node.to_dataset()["gradient"].isel(block=chosen)
        found = _differences_over_steps(gradients, labels, observed, left_out)
        coords = {"unit_group": ("unit", np.array(unit_groups, dtype=object))}
        nodes[f"/{node.name}"] = found.assign_coords(coords)
    return xr.DataTree.from_dict(nodes, name="permuted_differences")


def labels_are_target(blocks: xr.DataTree, groups: Sequence[str]) -> str:
    """Say whether the model learnt to tell two groups apart: no, in part, yes.

    Parameters
    ----------
    blocks
        Block gradients of a training; its attribute says so of each two groups, where the model
        learnt classes.
    groups
        The two.
    """
    told = json.loads(blocks.attrs.get("target_tells_apart", "[]"))
    return next((how for *pair, how in told if set(pair) == set(groups)), "no")


def group_differences(
    blocks: xr.DataTree, groups: Sequence[str]
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Log-ratios of two groups' gradient spectra as they are, by what one training alone shows.

    Parameters
    ----------
    blocks, groups
        As in `permuted_differences`.

    Returns
    -------
    dict
        Weight → log₂ σ_a − log₂ σ_b, shape (step, rank), and whether the singular value of both
        groups together is above its noise floor, in the same shape.
    """
    found = {}
    for name, node in blocks.children.items():
        held = node.to_dataset()
        chosen = _compared_blocks(held["group"].values, groups)
        in_a = np.arange(len(chosen)) < len(chosen) // 2
        dtype = _dtype_of(held["gradient"])
        steps = [
            _group_ratios(torch.from_numpy(gradients), in_a[None], ~in_a[None], dtype)
            for gradients in held["gradient"].isel(block=chosen).values
        ]
        ratios = np.stack([each.ratios[0] for each in steps]).astype(np.float32)
        found[name] = ratios, np.stack([each.above for each in steps])
    return found


def _dtype_of(gradients: xr.DataArray) -> torch.dtype:
    """Return the type of their rounding: half precision is kept in single."""
    found: torch.dtype = getattr(torch, gradients.attrs.get("computed_in", gradients.dtype.name))
    return found


def _compared_blocks(of_block: NDArray[Any], groups: Sequence[str]) -> NDArray[np.intp]:
    """Blocks of the first group, then as many of the second."""
    if isinstance(groups, str) or len(groups) != 2 or groups[0] == groups[1]:
        raise BadInputError(
            "block gradients",
            "groups",
            found=groups if isinstance(groups, str) else ", ".join(map(str, groups)) or "none",
            expected="the names of two groups",
            remedy="Compare groups two by two.",
        )
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


def _named(blocks: xr.Dataset, coordinate: str, given: ArrayLike | None) -> ArrayLike | None:
    """Look up what the tree says, unless something else is given; None where it says nothing."""
    if given is not None or coordinate not in blocks.coords:
        return given
    known = blocks[coordinate].values
    distinct = np.unique(known).size
    # All blocks in one stratum, or each a unit by itself, restrict nothing.
    is_free = distinct == 1 if coordinate == "stratum" else distinct == known.size
    return None if is_free else np.asarray(known)


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
    dtype = _dtype_of(gradients)
    per_step = [
        _differences(torch.from_numpy(step), labels, observed, left_out, dtype)
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
    dtype: torch.dtype,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """log₂ ratios of all labelings and without each unit, and which values rise above their noise.

    One noise floor serves all labelings and both groups, that of the largest singular value among
    them: two values under it do not differ, and a group without any gradient differs by as much as
    can be told from noise, not by infinity.
    """
    found = _group_ratios(gradients, labels.distinct, ~labels.distinct, dtype)
    without = _log_ratios(
        _without(gradients, observed, left_out),
        _without(gradients, ~observed, left_out),
        found.least,
    )
    return labels.sign[:, None] * found.ratios[labels.which], without, found.above


@dataclass(frozen=True)
class _GroupRatios:
    """Ratios of sums over members, and the floor under which values do not count.

    Attributes
    ----------
    ratios
        log₂, shape (labelings, rank).
    above
        Shape (rank,): whether the sum of all blocks is above the floor.
    least
        The floor.
    """

    ratios: NDArray[np.float64]
    above: NDArray[np.bool_]
    least: Tensor


def _group_ratios(
    gradients: Tensor, in_a: NDArray[np.bool_], in_b: NDArray[np.bool_], dtype: torch.dtype
) -> _GroupRatios:
    shape = (gradients.shape[1], gradients.shape[2])
    both = singular_values(gradients.sum(0)[None])[0]
    a, b = _spectra(gradients, in_a), _spectra(gradients, in_b)
    largest = torch.cat([a[:, 0], b[:, 0], both[:1]]).max()
    floor = noise_floor(largest, shape, dtype)
    least = floor.clamp_min(torch.finfo(torch.float64).tiny)
    return _GroupRatios(_log_ratios(a, b, least), (both > floor).numpy(), least)


def _log_ratios(above: Tensor, below: Tensor, least: Tensor) -> NDArray[np.float64]:
    ratios = torch.log2(torch.maximum(above, least)) - torch.log2(torch.maximum(below, least))
    return np.asarray(ratios.numpy(), dtype=np.float64)


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
