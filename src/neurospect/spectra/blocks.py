"""Blocks of samples: the units that a permutation test moves between groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.block_cuts import BlockCut, cut_blocks
from neurospect.spectra.groups import SampleGroups
from neurospect.spectra.uses import Use
from neurospect.spectra.weight_matrices import WeightMatrix
from neurospect.training.backward import LossOf

ALL = "all"
"""Stratum of samples that are of one."""


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
    strata, units
        Stratum (such as the site) and family of each sample of the batch, in its order, which must
        then be the same at every step. By default all samples are of one stratum and unrelated.
    """

    groups: tuple[str, ...]
    per_group: int
    steps: frozenset[int]
    strata: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None

    def cut(self, groups: SampleGroups) -> BlockCut:
        """Cut the groups of the plan into blocks, as `cut_blocks` does.

        Equal numbers of blocks of equal size, in each stratum, make the comparison size-matched:
        what is left over takes no part in it.

        Parameters
        ----------
        groups
            Of the batch.

        Returns
        -------
        BlockCut
            Its samples are places in the group order of the batch.

        Raises
        ------
        BadInputError
            When a group of the plan is unknown or has fewer than two samples, strata or units are
            not those of the batch, or `cut_blocks` refuses them.
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
        place = {name: place for place, name in enumerate(self.groups)}
        of_name = [place.get(name, -1) for name in groups.names]
        return cut_blocks(
            np.repeat(np.array(of_name, dtype=np.intp), groups.sizes),
            self.per_group,
            stratum=_in_group_order("strata", self.strata or (ALL,) * groups.samples, groups),
            unit=_in_group_order("units", self.units or range(groups.samples), groups),
        )


def _in_group_order(field: str, values: Sequence[Any], groups: SampleGroups) -> NDArray[Any]:
    if len(values) != groups.samples:
        raise BadInputError(
            "block plan",
            field,
            found=f"{len(values)} values",
            expected=f"{groups.samples}, one for each sample of the batch",
            remedy="Name them for every sample, in the order of the batch.",
        )
    vector = np.asarray(values)
    return vector if groups.order is None else vector[groups.order.numpy()]


def _contiguous(rows: NDArray[np.intp]) -> slice | Tensor:
    """Rows as a slice, where they are one; a slice is not copied."""
    start, stop = int(rows[0]), int(rows[-1]) + 1
    if np.array_equal(rows, np.arange(start, stop)):
        return slice(start, stop)
    return torch.from_numpy(rows)


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
    plan: BlockPlan,
    groups: SampleGroups,
    matrices: Mapping[str, WeightMatrix],
    uses: Mapping[str, Sequence[Sequence[Use]]],
) -> dict[str, Tensor]:
    """Gradients of the blocks of a plan by the weights that hooks have shown.

    Parameters
    ----------
    plan, groups
        Which blocks.
    matrices
        The weights, by name.
    uses
        Per weight and group, what was seen of its samples.

    Returns
    -------
    dict
        Name → gradients, shape (blocks of all groups of the plan, outputs, inputs).
    """
    cut = plan.cut(groups)
    found: dict[str, list[Tensor]] = {name: [] for name in uses}
    for group, of_block in zip(cut.group, cut.rows, strict=True):
        place = groups.names.index(plan.groups[group])
        rows = _contiguous(of_block - groups.starts[place])
        for name, by_group in uses.items():
            seen = [u.form.gradient(u.activation[rows], u.adjoint[rows]) for u in by_group[place]]
            found[name].append(matrices[name].of_part(torch.stack(seen).sum(0)))
    return {name: torch.stack(kept) for name, kept in found.items()}


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
    cut = plan.cut(groups)
    weights = list({id(m.parameter): m.parameter for m in matrices.values()}.values())
    places = {id(weight): place for place, weight in enumerate(weights)}
    found: dict[str, list[Tensor]] = {name: [] for name in matrices}
    for of_block in cut.rows:
        rows = groups.rows_of(_contiguous(of_block))
        loss = loss_of(rows) * (cut.size / groups.samples)
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

        Coordinates `group`, `stratum` and `unit` tell to which each block belongs; attributes
        `block_size` how many samples a block holds, and `samples_left_over` how many of the
        compared groups are in none. Gradients in half precision, which files cannot hold, are
        single, and the variable's attribute `computed_in` names their type.

        Parameters
        ----------
        names
            Order of the weights.
        plan, groups
            Which blocks; None where there are none.
        """
        if plan is None or groups is None:
            return xr.DataTree(xr.Dataset(attrs={"block_size": 0}), name="block_gradients")
        cut = plan.cut(groups)
        facts = {"block_size": cut.size, "samples_left_over": cut.left_over}
        nodes = {"/": xr.Dataset(attrs=facts)}
        for name in names:
            if name in self._gradients:
                attributes = {
                    "long_name": "loss gradient of a block of samples",
                    "units": "loss / weight",
                }
                gradients = torch.stack(self._gradients[name])
                if gradients.element_size() < torch.float32.itemsize:
                    attributes["computed_in"] = str(gradients.dtype).removeprefix("torch.")
                    gradients = gradients.float()
                variable = (("step", "block", "row", "column"), gradients.numpy(), attributes)
                nodes[f"/{name}"] = xr.Dataset(
                    {"gradient": variable},
                    coords={
                        "step": ("step", np.array(self._steps, dtype=np.int64)),
                        "group": ("block", np.array(plan.groups, dtype=object)[cut.group]),
                        "stratum": ("block", cut.stratum.astype(object)),
                        "unit": ("block", cut.unit),
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
