"""Maps of a decoder as a labelled file: means over the test split, and a few examples whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.saliency.criteria import pearson
from neurospect.saliency.decoding_data import DecodingData
from neurospect.saliency.judged_maps import LINEAR_METHODS, Methods, judged_maps
from neurospect.saliency.map_targets import MapTargets
from neurospect.saliency.probability_gradients import Differentiated
from neurospect.saliency.templates import subject_templates

UNITS = {
    "gradient": "probability per unit of the input",
    "smoothgrad": "probability per unit of the input",
    "gradient_x_input": "probability",
    "integrated_gradients": "probability",
    "weights": "logit per unit of the input",
    "haufe_pattern": "input per unit of the logit",
}
AXES = {
    "time_courses": ("time", "component"),
    "task_maps": ("x", "y", "z"),
    "spatial_maps": ("x", "y", "z"),
}
AXES_BY_NUMBER = {1: ("feature",), 2: ("row", "column"), 3: ("x", "y", "z")}


@dataclass(frozen=True)
class DecoderMaps:
    """What came of a decoder's maps.

    Attributes
    ----------
    tree
        At the root the templates of the classes, the mask, and the first test example of each
        class with the templates that it is held against; below, one node per method: `mean_map`
        (class, ...), over the test examples of the class the map of that class; `example_map`
        (example, class, ...), and its `correlation` (example, class) with what is special about the
        example's own class, and of every other class with its difference to the own.
    criteria
        As from `judged_maps`.
    """

    tree: xr.DataTree
    criteria: pd.DataFrame


@dataclass
class _Kept:
    """Sums of maps, and maps of the chosen examples."""

    data: DecodingData
    chosen: list[int]
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def watch(self, method: str, part: slice, maps: Tensor) -> None:
        """Take what is kept from the maps of a batch."""
        classes, shape = len(self.data.classes), self.data.shape
        if method not in self.sums:
            self.sums[method] = np.zeros((classes, *shape))
            self.maps[method] = np.zeros((len(self.chosen), classes, *shape), dtype=np.float32)
        codes = self.data.codes[self.data.places["test"][part]]
        own = maps[torch.arange(len(codes), device=maps.device), torch.from_numpy(codes)]
        for values, code in zip(own.cpu().numpy(), codes.tolist(), strict=True):
            self.sums[method][code] += values
        for place, example in enumerate(self.chosen):
            if part.start <= example < part.stop:
                self.maps[method][place] = maps[example - part.start].cpu().numpy()


def decoder_maps(
    model: nn.Module,
    data: DecodingData,
    targets: MapTargets,
    methods: Methods,
    *,
    device: torch.device,
    temperature: float = 1.0,
    of: Differentiated = "probability",
    array: str | None = None,
) -> DecoderMaps:
    """Make maps of the test split, judge them, and keep their means and a few of them.

    Parameters
    ----------
    model, data, targets, methods, device, temperature, of
        As for `judged_maps`.
    array
        Name of the cohort's array, which says what the axes of an example are.

    Raises
    ------
    BadInputError
        As `judged_maps` does.
    """
    test = data.places["test"]
    codes = data.codes[test]
    # First in the order of the table, which need not be that of the split.
    first = [np.flatnonzero(codes == code) for code in range(len(data.classes))]
    chosen = [int(own[np.argmin(test[own])]) for own in first]
    kept = _Kept(data, chosen)
    criteria = judged_maps(
        model,
        data,
        targets,
        methods,
        device=device,
        temperature=temperature,
        of=of,
        watch=kept.watch,
    )
    tree = _tree(kept, targets, methods, temperature, of, array)
    informative = criteria[criteria["criterion"] == "class_informative"]
    means = informative.groupby(["method", "class"])["correlation"].mean()
    said = {"long_name": "class informative correlation, mean over the test examples"}
    for method, node in tree.children.items():
        own = means.loc[method].reindex([str(name) for name in data.classes])
        values = xr.Variable("class", own.to_numpy(dtype=np.float64), said)
        node.dataset = node.to_dataset(inherit=False).assign(mean_correlation=values)
    return DecoderMaps(tree, criteria)


def _tree(
    kept: _Kept,
    targets: MapTargets,
    methods: Methods,
    temperature: float,
    of: str,
    array: str | None,
) -> xr.DataTree:
    shape = kept.data.shape
    axes = AXES.get(array or "", AXES_BY_NUMBER.get(len(shape), ()))
    if len(axes) != len(shape):
        axes = tuple(f"axis_{place}" for place in range(len(shape)))
    known = _templates_of_examples(kept, targets)
    root = _root(kept, targets, known, axes)
    root.attrs = {"templates": targets.of, "temperature": temperature, "differentiated": of}
    codes = kept.data.codes[kept.data.places["test"]]
    counts = np.bincount(codes, minlength=len(known))
    root["examples"] = ("class", counts, {"long_name": "test examples of the class"})
    nodes: dict[str, xr.Dataset] = {"/": root}
    for method, options in methods.items():
        maps = kept.maps[method]
        means = kept.sums[method] / counts.reshape(-1, *[1] * len(shape))
        units = UNITS.get(method, "unknown")
        if of == "log_odds" and method not in LINEAR_METHODS:
            units = units.replace("probability", "log odds")
        found = _correlations(known, maps, targets.mask)
        nodes[f"/{method}"] = xr.Dataset(
            {
                "mean_map": (("class", *axes), means.astype(np.float32), {"units": units}),
                "example_map": (("example", "class", *axes), maps, {"units": units}),
                "correlation": (("example", "class"), found),
            },
            attrs={f"option_{name}": value for name, value in options.items()},
        )
    return xr.DataTree.from_dict(nodes)


def _root(
    kept: _Kept, targets: MapTargets, known: NDArray[np.float64], axes: tuple[str, ...]
) -> xr.Dataset:
    """Templates, mask and chosen examples, which all methods share."""
    data = kept.data
    rows = data.places["test"][kept.chosen]
    inputs = data.examples("test", torch.device("cpu")).rows(torch.tensor(kept.chosen)).inputs
    said = {"long_name": "mean input of the class over the test split"}
    root = xr.Dataset(
        {
            "example_template": (("example", "class", *axes), known.astype(np.float32)),
            "template": (("class", *axes), targets.templates.astype(np.float32), said),
            "example_input": (("example", *axes), inputs.numpy()),
            "mask": (axes, targets.mask.astype(np.uint8)),
        },
        coords={
            "class": list(data.classes),
            "participant_id": ("example", data.participants[rows].astype(str)),
            "true_class": ("example", [data.classes[code] for code in data.codes[rows]]),
        },
    )
    if targets.space is not None:
        said = {"long_name": "voxels of the maps to mm", "units": "mm"}
        root["affine"] = (("mm", "voxel"), _affine_of_box(targets.space), said)
    return root


def _templates_of_examples(kept: _Kept, targets: MapTargets) -> NDArray[np.float64]:
    """Templates that each chosen example is held against, shape (examples, classes, *shape)."""
    data, count = kept.data, len(kept.data.classes)
    if targets.of == "all":
        return np.broadcast_to(targets.templates, (len(kept.chosen), *targets.templates.shape))
    test = data.places["test"]
    examples = data.examples("test", torch.device("cpu"))
    known = np.empty((len(kept.chosen), count, *data.shape))
    for place, example in enumerate(kept.chosen):
        own = np.flatnonzero(data.participants[test] == data.participants[test[example]])
        inputs = examples.rows(torch.from_numpy(own)).inputs.numpy()
        whose = data.participants[test[own]].astype(str)
        known[place] = subject_templates(inputs, data.codes[test[own]], whose, count)[0][0]
    return known


def _correlations(
    known: NDArray[np.float64], maps: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Of each chosen example, the correlation of every class's map with its target."""
    targets = known - known[np.arange(len(known)), np.arange(len(known))][:, None]
    for own in range(len(known)):
        targets[own, own] = known[own, own] - np.nanmean(known[own], axis=0)
    return pearson(maps[..., mask], targets[..., mask])


def _affine_of_box(space: VoxelGrid) -> NDArray[np.float64]:
    shift = np.eye(4)
    shift[:3, 3] = [axis.start for axis in space.box]
    return np.asarray(space.affine @ shift)
