"""Spectra over the steps of a training, as they grow and as labelled arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurospect.errors import BadInputError
from neurospect.spectra.groups import WHOLE_BATCH, SampleGroups
from neurospect.spectra.leading_values import LEAST_SIDE, LeadingValues
from neurospect.spectra.singular_values import (
    gram,
    noise_floor,
    singular_values,
    singular_values_of_gram,
)
from neurospect.spectra.weight_matrices import WeightMatrix

# Gram matrices of one weight wait in memory until so many steps are there, or so many bytes, to be
# decomposed side by side.
STEPS_AT_ONCE = 16
BYTES_AT_ONCE = 4 * 2**20

QUANTITIES = ("gradient", "activation", "adjoint")
MEANING = {
    "gradient": ("singular values of the loss gradient, contribution scale", "loss / weight"),
    "activation": ("singular values of the layer's input A", "activation"),
    "adjoint": ("singular values of the adjoint ∂L/∂z", "loss / pre-activation"),
}


class Trajectory:
    """Singular values of several weights, step by step.

    Parameters
    ----------
    matrices
        Name → weight, in the order of the model.
    quantities
        Name → which of "gradient", "activation", "adjoint" are recorded of it.
    leading
        How many values to record of weights whose sides are all `LEAST_SIDE` or more; None for all.
    """

    def __init__(
        self,
        matrices: Mapping[str, WeightMatrix],
        quantities: Mapping[str, Sequence[str]],
        *,
        leading: int | None = None,
    ) -> None:
        self._matrices = matrices
        self.shapes = {name: matrix.shape for name, matrix in matrices.items()}
        self.ranks = {
            name: min(*shape, leading) if leading and min(shape) >= LEAST_SIDE else min(shape)
            for name, shape in self.shapes.items()
        }
        self._leading = LeadingValues(leading or 0)
        self._errors: dict[str, dict[int, Tensor]] = {}
        self.quantities = {name: tuple(quantities[name]) for name in self.shapes}
        self.steps: list[int] = []
        self.sizes: list[tuple[int, ...]] = []
        self._waiting: dict[str, list[Tensor]] = {name: [] for name in self.shapes}
        # Places of a weight may differ in number from step to step, and few steps have them.
        self._ties: dict[str, dict[int, Tensor]] = {}
        self._values: dict[tuple[str, str], list[Tensor]] = {
            (quantity, name): [] for name in self.shapes for quantity in self.quantities[name]
        }

    def append(
        self,
        step: int,
        sizes: tuple[int, ...],
        gradients: Mapping[str, Tensor],
        values: Mapping[tuple[str, str], Tensor],
        ties: Mapping[str, Tensor],
    ) -> None:
        """Add one step; what is in no mapping is NaN.

        Parameters
        ----------
        step
            Its number.
        sizes
            Samples of each row of spectra (whole batch first, then groups).
        gradients
            Weight → gradients of the whole batch and the groups, shape (rows, outputs, inputs) or
            (rows, inputs, outputs).
        values
            (quantity, weight) → singular values, shape (rows, features).
        ties
            Weight → singular values by place, shape (rows, places, rank).
        """
        for name, by_place in ties.items():
            self._ties.setdefault(name, {})[len(self.steps)] = by_place.cpu()
        self.steps.append(step)
        self.sizes.append(sizes)
        for (quantity, name), kept in self._values.items():
            if quantity == "gradient" and name in gradients:
                self._decompose(name, gradients[name])
                continue
            self._flush(name, quantity)
            rank = self.ranks[name]
            row = torch.full((1, len(sizes), rank), torch.nan, dtype=torch.float64)
            found = values.get((quantity, name))
            if found is not None:
                shared = min(rank, found.shape[-1])
                row[0, :, :shared] = found[:, :shared].cpu()
            kept.append(row)

    def _decompose(self, name: str, gradients: Tensor) -> None:
        """Take the values, or let Gram matrices wait for others to be decomposed beside them."""
        if self.ranks[name] < min(self.shapes[name]):
            values, errors = self._leading.of(name, gradients)
            self._values["gradient", name].append(values.cpu()[None])
            self._errors.setdefault(name, {})[len(self.steps) - 1] = errors.cpu()
            return
        if gradients.dtype == torch.float64:
            self._values["gradient", name].append(singular_values(gradients).cpu()[None])
            return
        tall = gradients.shape[1] >= gradients.shape[2]
        waiting = self._waiting[name]
        waiting.append(gram(gradients if tall else gradients.mT))
        bytes_each = waiting[0].numel() * waiting[0].element_size()
        if len(waiting) >= min(STEPS_AT_ONCE, max(1, BYTES_AT_ONCE // bytes_each)):
            self._flush(name)

    def _flush(self, name: str, quantity: str = "gradient") -> None:
        waiting = self._waiting[name]
        if quantity == "gradient" and waiting:
            found = singular_values_of_gram(torch.stack(waiting))
            self._values["gradient", name].append(found.cpu())
            waiting.clear()

    def values(self, quantity: str, name: str) -> Tensor:
        """Singular values, shape (steps, rows, rank), float64."""
        self._flush(name, quantity)
        parts = self._values[quantity, name]
        rows = len(self.sizes[0]) if self.sizes else 0
        whole = (
            torch.cat(parts)
            if parts
            else torch.empty(0, rows, self.ranks[name], dtype=torch.float64)
        )
        self._values[quantity, name] = [whole] if parts else []
        return whole

    def dtype(self, name: str) -> str:
        """Name of the floating-point type of a weight, in which its gradients are computed."""
        return str(self._matrices[name].parameter.dtype).removeprefix("torch.")

    def errors(self, name: str) -> Tensor | None:
        """How far off a gradient's leading values may be, (steps, rows, rank); None if all are."""
        if self.ranks[name] == min(self.shapes[name]):
            return None
        shape = (len(self.steps), len(self.sizes[0]) if self.sizes else 0, self.ranks[name])
        errors = torch.zeros(shape, dtype=torch.float64)
        for step, found in self._errors.get(name, {}).items():
            errors[step] = found
        return errors

    def values_over_ties(self, name: str) -> Tensor | None:
        """Singular values by place, (steps, rows, places, rank); None where there are none.

        NaN where a step has none, or has fewer places than others.
        """
        kept = self._ties.get(name)
        if not kept:
            return None
        places = max(by_place.shape[1] for by_place in kept.values())
        rank = self.ranks[name]
        shape = (len(self.steps), len(self.sizes[0]), places, rank)
        values = torch.full(shape, torch.nan, dtype=torch.float64)
        for step, by_place in kept.items():
            shared = min(rank, by_place.shape[2])
            values[step, :, : by_place.shape[1], :shared] = by_place[..., :shared]
        return values

    def state_dict(self) -> dict[str, Any]:
        """Everything so far, as tensors and plain values."""
        values: dict[str, dict[str, Tensor]] = {}
        for quantity, name in self._values:
            values.setdefault(quantity, {})[name] = self.values(quantity, name)
        return {
            "steps": list(self.steps),
            "sizes": [list(sizes) for sizes in self.sizes],
            "values": values,
            "ties": {name: dict(kept) for name, kept in self._ties.items()},
            "errors": {name: dict(kept) for name, kept in self._errors.items()},
            "leading": self._leading.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Raises
        ------
        BadInputError
            When it lacks a weight or quantity that is recorded here, or holds other numbers of
            values of it.
        """
        for quantity, name in self._values:
            values = state["values"].get(quantity, {}).get(name)
            shape = (len(state["steps"]), len(state["sizes"][0]) if state["sizes"] else 0)
            if values is None or values.shape != (*shape, self.ranks[name]):
                raise _other_record(
                    f"{quantity} of {name}",
                    "none" if values is None else f"shape {tuple(values.shape)}",
                    f"{self.ranks[name]} values in each row of spectra",
                )
        self.steps = list(state["steps"])
        self.sizes = [tuple(sizes) for sizes in state["sizes"]]
        self._ties = {name: dict(kept) for name, kept in state["ties"].items()}
        self._errors = {name: dict(kept) for name, kept in state["errors"].items()}
        self._leading.load_state_dict(state["leading"])
        for quantity, name in self._values:
            values = state["values"][quantity][name]
            self._values[quantity, name] = [values] if len(values) else []


def spectra_tree(
    trajectory: Trajectory,
    weights: Iterable[str],
    groups: SampleGroups | None,
    *,
    computed_in: str,
    **facts: str,
) -> xr.DataTree:
    """Label a trajectory: one node per weight, dims (step, group, rank).

    Parameters
    ----------
    trajectory, weights
        What was recorded, and the names of the weights to show.
    groups
        Of the batch; None for the whole batch only.
    computed_in
        Floating-point type of the products in the pass, where autocast makes it another than the
        weights'; else empty.
    facts
        Attributes of the root.

    Raises
    ------
    BadInputError
        When the trajectory is of another number of groups, as it may be after `load_state_dict`.
    """
    names = [WHOLE_BATCH, *(groups.names if groups else ())]
    rows = {len(sizes) for sizes in trajectory.sizes} - {len(names)}
    if rows:
        raise _other_record(
            "groups", f"spectra of {min(rows) - 1} groups", f"those of {', '.join(names)}"
        )
    sizes = np.array(trajectory.sizes, dtype=np.int64).reshape(len(trajectory.steps), len(names))
    constant = bool((sizes == sizes[:1]).all())
    shared: dict[str, Any] = {
        "group_names": names,
        "group_sizes": sizes[0].tolist() if len(sizes) and constant else [],
    }
    dtypes = " and ".join(sorted({trajectory.dtype(name) for name in trajectory.shapes}))
    nodes = {"/": xr.Dataset(attrs={**_precision(dtypes, computed_in), **shared, **facts})}
    for name in weights:
        shape, quantities = trajectory.shapes[name], trajectory.quantities[name]
        # Before the first step there is nothing that tells how many groups there are.
        cells = (len(trajectory.steps), len(names), trajectory.ranks[name])
        variables: dict[str, Any] = {
            quantity: (
                ("step", "group", "rank"),
                trajectory.values(quantity, name).reshape(cells).numpy(),
                {"long_name": MEANING[quantity][0], "units": MEANING[quantity][1]},
            )
            for quantity in quantities
        }
        if "gradient" in quantities:
            largest = trajectory.values("gradient", name).reshape(cells)[..., 0]
            variables["noise_floor"] = (
                ("step", "group"),
                _noise_floor(largest, shape, trajectory.dtype(name), computed_in).numpy(),
                {
                    "long_name": "size under which a gradient's singular value is rounding noise",
                    "units": MEANING["gradient"][1],
                },
            )
        errors = trajectory.errors(name)
        if errors is not None and "gradient" in quantities:
            variables["gradient_error"] = (
                ("step", "group", "rank"),
                errors.reshape(cells).numpy(),
                {
                    "long_name": "distance from a value within which a singular value lies",
                    "units": MEANING["gradient"][1],
                },
            )
        over_ties = trajectory.values_over_ties(name)
        if over_ties is not None:
            variables["gradient_over_ties"] = (
                ("step", "group", "tie", "rank"),
                over_ties.numpy(),
                {
                    "long_name": "singular values of the gradient at each place of the weight",
                    "units": MEANING["gradient"][1],
                },
            )
        if not constant:
            variables["group_size"] = (("step", "group"), sizes, {"units": "samples"})
        nodes[f"/{name}"] = xr.Dataset(
            variables,
            coords={
                "step": ("step", np.array(trajectory.steps, dtype=np.int64), {"units": "steps"}),
                "group": ("group", np.array(names, dtype=object)),
                "rank": ("rank", np.arange(1, trajectory.ranks[name] + 1)),
            },
            attrs={
                **_precision(trajectory.dtype(name), computed_in),
                **shared,
                "weight_shape": list(shape),
            },
        )
    return xr.DataTree.from_dict(nodes, name="spectra")


def _other_record(field: str, found: str, expected: str) -> BadInputError:
    return BadInputError(
        "state of GradientSpectra",
        field,
        found=found,
        expected=expected,
        remedy="Go on with the model, the groups and the options with which recording began.",
    )


def _precision(dtype: str, computed_in: str) -> dict[str, str]:
    """Say on which scale gradients are, and how precise."""
    return {"scale": "contribution", "dtype": dtype, "computed_in": computed_in or dtype}


def _noise_floor(largest: Tensor, shape: tuple[int, int], dtype: str, computed_in: str) -> Tensor:
    """Return that of the weights' type; under autocast at least a rounding of its numbers."""
    floor = noise_floor(largest, shape, getattr(torch, dtype))
    if not computed_in:
        return floor
    return torch.maximum(floor, largest * torch.finfo(getattr(torch, computed_in)).eps)
