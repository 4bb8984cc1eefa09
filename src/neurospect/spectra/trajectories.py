"""Spectra over the steps of a training, as they grow and as labelled arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurospect.spectra.groups import WHOLE_BATCH, SampleGroups
from neurospect.spectra.singular_values import (
    gram,
    noise_floor,
    singular_values,
    singular_values_of_gram,
)

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
    weights
        Name → weight, in the order of the model.
    quantities
        Which of "gradient", "activation", "adjoint" are recorded.
    at_once
        Steps whose gradients wait for one another before they are decomposed together.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], quantities: Sequence[str], at_once: int
    ) -> None:
        self.shapes = {name: (w.shape[0], w.shape[1]) for name, w in weights.items()}
        self._dtypes = {name: w.dtype for name, w in weights.items()}
        self.quantities = tuple(quantities)
        self.steps: list[int] = []
        self.sizes: list[tuple[int, ...]] = []
        self._at_once = at_once
        self._waiting: dict[str, list[Tensor]] = {name: [] for name in self.shapes}
        self._values: dict[tuple[str, str], list[Tensor]] = {
            (quantity, name): [] for quantity in self.quantities for name in self.shapes
        }

    def append(
        self,
        step: int,
        sizes: tuple[int, ...],
        gradients: Mapping[str, Tensor],
        factors: Mapping[tuple[str, str], Tensor],
    ) -> None:
        """Add one step.

        Parameters
        ----------
        step
            Its number.
        sizes
            Samples of each row of spectra (whole batch first, then groups).
        gradients
            Weight → gradients of the whole batch and the groups, shape (rows, longer side,
            shorter side); NaN is recorded for a weight that is not there.
        factors
            (quantity, weight) → singular values, shape (rows, features).
        """
        self.steps.append(step)
        self.sizes.append(sizes)
        for (quantity, name), values in self._values.items():
            if quantity == "gradient":
                self._waiting[name].append(self._reduced(gradients.get(name), name, len(sizes)))
            else:
                rank = min(self.shapes[name])
                row = torch.full((1, len(sizes), rank), torch.nan, dtype=torch.float64)
                found = factors.get((quantity, name))
                if found is not None:
                    shared = min(rank, found.shape[-1])
                    row[0, :, :shared] = found[:, :shared].cpu()
                values.append(row)
        if len(self.steps) % self._at_once == 0:
            self.flush()

    def flush(self) -> None:
        """Decompose the gradients that wait."""
        for name, waiting in self._waiting.items():
            if waiting:
                stacked = torch.stack(waiting)
                found = singular_values_of_gram(stacked) if stacked.ndim == 4 else stacked
                self._values["gradient", name].append(found.cpu())
                waiting.clear()

    def _reduced(self, gradients: Tensor | None, name: str, rows: int) -> Tensor:
        """Gram matrices to be decomposed later, or singular values in double precision."""
        if gradients is None:
            gradients = torch.full((rows, *self.shapes[name]), torch.nan, dtype=self._dtypes[name])
            gradients = gradients.mT if gradients.shape[1] < gradients.shape[2] else gradients
        return singular_values(gradients) if gradients.dtype == torch.float64 else gram(gradients)

    def values(self, quantity: str, name: str) -> Tensor:
        """Singular values, shape (steps, rows, rank), float64."""
        self.flush()
        parts = self._values[quantity, name]
        rows = len(self.sizes[0]) if self.sizes else 0
        whole = (
            torch.cat(parts)
            if parts
            else torch.empty(0, rows, min(self.shapes[name]), dtype=torch.float64)
        )
        self._values[quantity, name] = [whole] if parts else []
        return whole

    def state_dict(self) -> dict[str, Any]:
        """Everything so far, as tensors and plain values."""
        return {
            "steps": list(self.steps),
            "sizes": [list(sizes) for sizes in self.sizes],
            "values": {
                quantity: {name: self.values(quantity, name) for name in self.shapes}
                for quantity in self.quantities
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.steps = list(state["steps"])
        self.sizes = [tuple(sizes) for sizes in state["sizes"]]
        for quantity, name in self._values:
            values = state["values"][quantity][name]
            self._values[quantity, name] = [values] if len(values) else []


def spectra_tree(
    trajectory: Trajectory,
    groups: SampleGroups | None,
    *,
    dtype: str,
    **facts: str,
) -> xr.DataTree:
    """Label a trajectory: one node per weight, dims (step, group, rank); facts go to the root."""
    names = [WHOLE_BATCH, *(groups.names if groups else ())]
    sizes = np.array(trajectory.sizes, dtype=np.int64).reshape(len(trajectory.steps), len(names))
    constant = bool((sizes == sizes[:1]).all())
    shared: dict[str, Any] = {
        "scale": "contribution",
        "dtype": dtype,
        "group_names": names,
        "group_sizes": sizes[0].tolist() if len(sizes) and constant else [],
    }
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs={**shared, **facts})}
    for name, shape in trajectory.shapes.items():
        variables: dict[str, Any] = {
            quantity: (
                ("step", "group", "rank"),
                trajectory.values(quantity, name).numpy(),
                {"long_name": MEANING[quantity][0], "units": MEANING[quantity][1]},
            )
            for quantity in trajectory.quantities
        }
        if "gradient" in trajectory.quantities:
            largest = trajectory.values("gradient", name)[..., 0]
            variables["noise_floor"] = (
                ("step", "group"),
                noise_floor(largest, shape, getattr(torch, dtype)).numpy(),
                {
                    "long_name": "size under which a gradient's singular value is rounding noise",
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
                "rank": ("rank", np.arange(1, min(shape) + 1)),
            },
            attrs={**shared, "weight_shape": list(shape)},
        )
    return xr.DataTree.from_dict(nodes, name="spectra")


def block_tree(
    blocks: Mapping[str, Sequence[Tensor]], steps: Iterable[int], groups: Sequence[str], size: int
) -> xr.DataTree:
    """Label block gradients: per weight, variable `gradient` with dims (step, block, row, column).

    Coordinate `group` tells to which group each block belongs; attribute `block_size` how many
    samples a block holds.
    """
    nodes: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs={"block_size": size})}
    for name, kept in blocks.items():
        stacked = torch.stack(list(kept)).numpy()
        variable = (
            ("step", "block", "row", "column"),
            stacked,
            {"long_name": "loss gradient of a block of samples", "units": "loss / weight"},
        )
        per_group = stacked.shape[1] // len(groups)
        nodes[f"/{name}"] = xr.Dataset(
            {"gradient": variable},
            coords={
                "step": ("step", np.array(list(steps), dtype=np.int64)),
                "group": ("block", np.repeat(np.array(groups, dtype=object), per_group)),
            },
        )
    return xr.DataTree.from_dict(nodes, name="block_gradients")
