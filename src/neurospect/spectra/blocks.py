"""Blocks of samples: the units that a permutation test moves between groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.groups import SampleGroups
from neurospect.spectra.uses import Use
from neurospect.spectra.weight_matrices import WeightMatrix
from neurospect.training.backward import LossOf


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


def block_gradients_in_pass(
    plan: BlockPlan, groups: SampleGroups, uses: Sequence[Sequence[Use]], matrix: WeightMatrix
) -> Tensor:
    """Gradients of the blocks of a plan by one weight, from what hooks have shown.

    Parameters
    ----------
    plan, groups
        Which blocks.
    uses
        Per group, what was seen of its samples.
    matrix
        The weight.

    Returns
    -------
    torch.Tensor
        Shape (blocks of all groups of the plan, outputs, inputs).
    """
    blocks, size = plan.cut(groups)
    found = []
    for group in plan.groups:
        for start in range(0, blocks * size, size):
            rows = slice(start, start + size)
            parts = [
                u.form.gradient(u.activation[rows], u.adjoint[rows])
                for u in uses[groups.names.index(group)]
            ]
            found.append(matrix.of_part(torch.stack(parts).sum(0)))
    return torch.stack(found)


def block_gradients_by_block(
    plan: BlockPlan, groups: SampleGroups, matrices: Mapping[str, WeightMatrix], loss_of: LossOf
) -> dict[str, Tensor]:
    """Gradients of the blocks of a plan by all weights: each block forward and backward by itself.

    Nothing is added to ``.grad``.

    Parameters
    ----------
    plan, groups
        Which blocks.
    matrices
        The weights, by name.
    loss_of
        Mean loss over the given rows of the batch.

    Returns
    -------
    dict
        Name → gradients, shape (blocks of all groups of the plan, outputs, inputs).
    """
    blocks, size = plan.cut(groups)
    weights = list({id(m.parameter): m.parameter for m in matrices.values()}.values())
    places = {id(weight): place for place, weight in enumerate(weights)}
    found: dict[str, list[Tensor]] = {name: [] for name in matrices}
    for group in plan.groups:
        for block in range(blocks):
            rows = groups.rows_of(group, block * size, size)
            loss = loss_of(rows) * (size / groups.samples)
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            for name, matrix in matrices.items():
                gradient = gradients[places[id(matrix.parameter)]]
                if gradient is None:
                    gradient = torch.zeros_like(matrix.parameter)
                found[name].append(matrix.of_weight(gradient))
    return {name: torch.stack(kept) for name, kept in found.items()}


class KeptBlocks:
    """Block gradients by weight, step after step."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._gradients: dict[str, list[Tensor]] = {}

    def append(self, step: int, gradients: Mapping[str, Tensor]) -> None:
        """Add those of one step: name → shape (blocks, outputs, inputs).

        Raises
        ------
        BadInputError
            When there are others, or of another number, than at the steps before.
        """
        for name, kept in self._gradients.items():
            if name not in gradients or gradients[name].shape != kept[0].shape:
                raise BadInputError(
                    "block plan",
                    f"{name}, step {step}",
                    found="other blocks than at the steps before",
                    expected="groups that keep their sizes, recorded in one way throughout",
                    remedy="Keep blocks where every step has the full batch, or none.",
                )
        self._steps.append(step)
        for name, gradient in gradients.items():
            self._gradients.setdefault(name, []).append(gradient.cpu())

    def to_datatree(
        self, names: Iterable[str], plan: BlockPlan | None, groups: SampleGroups | None
    ) -> xr.DataTree:
        """Label them: per weight, variable `gradient` with dims (step, block, row, column).

        Coordinate `group` tells to which group each block belongs; attribute `block_size` how many
        samples a block holds.

        Parameters
        ----------
        names
            Order of the weights.
        plan, groups
            Which blocks; None where there are none.
        """
        if plan is None or groups is None:
            return xr.DataTree(xr.Dataset(attrs={"block_size": 0}), name="block_gradients")
        per_group, size = plan.cut(groups)
        labels = np.repeat(np.array(plan.groups, dtype=object), per_group)
        nodes = {"/": xr.Dataset(attrs={"block_size": size})}
        for name in names:
            if name in self._gradients:
                variable = (
                    ("step", "block", "row", "column"),
                    torch.stack(self._gradients[name]).numpy(),
                    {"long_name": "loss gradient of a block of samples", "units": "loss / weight"},
                )
                nodes[f"/{name}"] = xr.Dataset(
                    {"gradient": variable},
                    coords={
                        "step": ("step", np.array(self._steps, dtype=np.int64)),
                        "group": ("block", labels),
                    },
                )
        return xr.DataTree.from_dict(nodes, name="block_gradients")

    def state_dict(self) -> dict[str, Any]:
        """Everything so far, as tensors and plain values."""
        gradients = {name: list(kept) for name, kept in self._gradients.items()}
        return {"steps": list(self._steps), "gradients": gradients}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._steps = list(state["steps"])
        self._gradients = {name: list(kept) for name, kept in state["gradients"].items()}
