"""Spectral differences between two groups under permuted labels, from kept block gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import xarray as xr
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
    controls the family-wise error.

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
    weights = [node for node in blocks.children.values()]
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
        gradients = node["gradient"].isel(block=chosen)
        per_step = [_differences(torch.from_numpy(step), labels) for step in gradients.values]
        differences = torch.stack([d for d, _ in per_step], dim=1).numpy()
        tested = torch.stack([t for _, t in per_step]).numpy()
        nodes[f"/{node.name}"] = xr.Dataset(
            {
                "difference": (("step", "rank"), differences[0]),
                "permuted": (("permutation", "step", "rank"), differences[1:].astype(np.float32)),
                "tested": (("step", "rank"), tested.astype(np.int8)),
            },
            coords={
                "step": ("step", gradients["step"].values),
                "rank": ("rank", np.arange(1, tested.shape[1] + 1)),
            },
        )
    return xr.DataTree.from_dict(nodes, name="permuted_differences")


def _relabelings(per_group: int, permutations: int, seed: int) -> Tensor:
    """Labels, shape (1 + permutations, blocks): 1 in group a, 0 in b; the observed ones first."""
    rng = np.random.default_rng(seed)
    observed = np.repeat([1.0, 0.0], per_group)
    permuted = rng.permuted(np.tile(observed, (permutations, 1)), axis=1)
    return torch.from_numpy(np.vstack([observed, permuted]).astype(np.float32))


def _differences(gradients: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """log₂ ratios, shape (labelings, rank), and which values rise above their noise."""
    shape = (gradients.shape[1], gradients.shape[2])
    flat = gradients.flatten(1).to(labels.dtype)
    both = flat.sum(0).view(1, *shape)
    whole = singular_values(both)[0]
    tested = whole > noise_floor(whole[:1], shape, gradients.dtype)
    found = [
        torch.log2(_above_floor(a, shape)) - torch.log2(_above_floor(b, shape))
        for a, b in _group_gradients(flat, labels, shape)
    ]
    return torch.cat(found), tested


def _group_gradients(
    flat: Tensor, labels: Tensor, shape: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor]]:
    for part in labels.split(AT_ONCE):
        yield (part @ flat).view(-1, *shape), ((1 - part) @ flat).view(-1, *shape)


def _above_floor(gradients: Tensor, shape: tuple[int, int]) -> Tensor:
    """Singular values, none taken for smaller than its noise floor."""
    values = singular_values(gradients)
    floor = noise_floor(values[:, :1], shape, gradients.dtype)
    return torch.maximum(values, floor.clamp_min(torch.finfo(torch.float64).tiny))
