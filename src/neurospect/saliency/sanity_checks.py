"""Do maps show what a model learned? Compare them with those of models that learned nothing.

The checks are those of Adebayo et al. (2018): maps that stay alike when parameters or labels are
random show the input, not the model.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, cast, get_args

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError
from neurospect.saliency.checks import checked_seed
from neurospect.saliency.criteria import pearson
from neurospect.saliency.maps import saliency_maps
from neurospect.training.checks import check_choice
from neurospect.training.loop import Examples, TrainingPlan, evaluate, train
from neurospect.training.modes import at_rest

log = logging.getLogger(__name__)

SIMILARITY_COLUMNS = {
    "correlation": "mean correlation between the maps of the two models, over examples and classes",
    "rank_correlation_of_size": "the same of the ranks of their absolute values",
    "undefined": "maps that are constant in either model, and do not count",
}
RANDOMISED_COLUMNS = {
    "mode": "cascading: this layer and all behind it are random; independent: this layer alone",
    "layer": "name of the layer, the one nearest to the output first",
    **SIMILARITY_COLUMNS,
}
Mode = Literal["cascading", "independent"]


def randomise_parameters(
    model: nn.Module,
    inputs: Tensor,
    *,
    mode: Mode = "cascading",
    method: str = "gradient",
    shuffling_seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Compare the maps of a model with those it makes when its parameters are random.

    Layer by layer from the output, the values of each parameter are shuffled: what was learned is
    gone, and how the values are distributed stays. Layers that share a parameter are taken apart
    first, so that shuffling one of them leaves the others as they were; the log names them.

    Parameters
    ----------
    model
        From (examples, *input shape) to logits; left as it was.
    inputs
        Shape (examples, *input shape).
    mode
        "cascading" shuffles one layer more in each row, "independent" one layer alone.
    method, **options
        Of the maps, as in `saliency_maps`.
    shuffling_seed
        Of the shuffling; `seed` is an option of the maps.

    Returns
    -------
    pandas.DataFrame
        With `RANDOMISED_COLUMNS`, one row per layer; a layer whose parameters are all constant, as
        those of a normalisation that learned nothing, is left out.

    Raises
    ------
    BadInputError
        When the mode is not known, the seed no whole number, or the model cannot be copied; then as
        in `saliency_maps`.
    """
    check_choice("sanity check", "mode", mode, get_args(Mode))
    generator = torch.Generator().manual_seed(checked_seed("sanity check", shuffling_seed))
    maps = saliency_maps(model, inputs, method, **options)
    # This pass comes before the copy: what a model keeps of it has no graph, and can be copied.
    layers = layers_in_order(model, inputs[:1])
    intact = _copy_of(model)
    _take_apart(intact)
    rows = []
    for layer in reversed(layers):
        shuffled = _copy_of(intact) if mode == "independent" else intact
        if not _shuffle(shuffled.get_submodule(layer), generator):
            log.info("layer %s is left out: shuffling changes none of its parameters", layer)
            continue
        others = saliency_maps(shuffled, inputs, method, **options)
        rows.append({"mode": mode, "layer": layer, **map_similarity(maps, others)})
    return pd.DataFrame(rows, columns=list(RANDOMISED_COLUMNS))


def randomise_labels(
    model: nn.Module,
    examples: Examples,
    plan: TrainingPlan,
    inputs: Tensor,
    *,
    method: str = "gradient",
    shuffling_seed: int = 0,
    **options: Any,
) -> dict[str, float]:
    """Compare the maps of a model with those after the same training on shuffled labels.

    Parameters
    ----------
    model
        Before training; left as it was.
    examples, plan
        What to learn from, and how.
    inputs
        Whose maps to compare, shape (examples, *input shape).
    method, **options
        Of the maps, as in `saliency_maps`.
    shuffling_seed
        Of the shuffling; `seed` is an option of the maps.

    Returns
    -------
    dict
        `SIMILARITY_COLUMNS`, and each model's accuracy on its own training labels,
        `training_accuracy` and `training_accuracy_shuffled`: maps are to be compared where both
        learned their labels.

    Raises
    ------
    BadInputError
        When the seed is no whole number, or the model cannot be copied; then as in `train` and
        `saliency_maps`.
    """
    generator = torch.Generator().manual_seed(checked_seed("sanity check", shuffling_seed))
    order = torch.randperm(len(examples.classes), generator=generator).to(examples.classes.device)
    maps, accuracies = [], []
    for labels in (examples.classes, examples.classes[order]):
        trained, known = _copy_of(model), Examples(examples.inputs, labels)
        train(trained, known, plan)
        accuracies.append(evaluate(trained, known, plan.task)[1])
        maps.append(saliency_maps(trained, inputs, method, **options))
    return {
        **map_similarity(*maps),
        "training_accuracy": accuracies[0],
        "training_accuracy_shuffled": accuracies[1],
    }


def _copy_of(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError) as error:
        raise BadInputError(
            "model",
            "copy",
            found=f"{type(error).__name__} ({str(error).partition('. ')[0]})",
            expected="a model that copy.deepcopy can copy",
            remedy="Take out of it what is no part of it: tensors that it keeps of a forward pass "
            "(keep them detached, or set them to None), open files and the like.",
        ) from error


def _take_apart(model: nn.Module) -> None:
    """Give each layer parameters of its own where several share one."""
    owners: dict[int, str] = {}
    for layer, module in model.named_modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            owner = owners.setdefault(id(parameter), layer)
            if owner != layer:
                log.warning(
                    "layers %s and %s share the parameter %s: each is shuffled alone",
                    owner, layer, name,
                )  # fmt: skip
                values = parameter.detach().clone()
                setattr(module, name, nn.Parameter(values, parameter.requires_grad))


def _shuffle(layer: nn.Module, generator: torch.Generator) -> bool:
    """Shuffle the values of each parameter; say whether any changed."""
    changed = False
    for parameter in _parameters_of(layer):
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        values = parameter.detach().flatten()[order].view_as(parameter)
        changed |= not torch.equal(values, parameter)
        with torch.no_grad():
            parameter.copy_(values)
    return changed


def map_similarity(first: Tensor, second: Tensor) -> dict[str, float]:
    """Compare the maps of two models, map by map, with `SIMILARITY_COLUMNS`.

    Parameters
    ----------
    first, second
        Shape (examples, classes, *input shape).

    Raises
    ------
    BadInputError
        When their shapes differ.
    """
    if first.shape != second.shape or first.ndim < 3:
        raise BadInputError(
            "sanity check",
            "maps",
            found=f"shapes {tuple(first.shape)} and {tuple(second.shape)}",
            expected="one shape (examples, classes, *input shape)",
            remedy="Compare the maps of the same examples and classes.",
        )
    a, b = (as_array(maps.flatten(2)) for maps in (first, second))
    signed = pearson(a, b)
    sizes = pearson(rankdata(np.abs(a), axis=-1), rankdata(np.abs(b), axis=-1))
    defined = ~(np.isnan(signed) | np.isnan(sizes))
    finite = np.isfinite(a).all(-1) & np.isfinite(b).all(-1)
    if not finite.all():
        log.warning(
            "%d of %d maps are NaN or infinite in either model, and do not count",
            np.count_nonzero(~finite), finite.size,
        )  # fmt: skip
    return {
        "correlation": float(signed[defined].mean()) if defined.any() else float("nan"),
        "rank_correlation_of_size": float(sizes[defined].mean()) if defined.any() else float("nan"),
        "undefined": int((~defined).sum()),
    }


def layers_in_order(model: nn.Module, inputs: Tensor) -> list[str]:
    """Name the modules that have parameters of their own, in the order in which inputs pass them.

    Parameters
    ----------
    model
        Any; at rest (`eval`) meanwhile.
    inputs
        A few examples to pass through it.

    Returns
    -------
    list
        Names as in `model.named_modules()`.
    """
    called: dict[str, int] = {}
    modules = dict(model.named_modules())

    def note(name: str, module: nn.Module, inputs: Any) -> None:
        called.setdefault(name, len(called))

    handles = [
        module.register_forward_pre_hook(partial(note, name)) for name, module in modules.items()
    ]
    try:
        with at_rest(model), torch.no_grad():
            # A clone, since a model may begin with an operation in place.
            model(inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    owners = [name for name, module in modules.items() if _parameters_of(module)]
    return sorted(owners, key=lambda name: _first_call(name, called))


def _first_call(name: str, called: Mapping[str, int]) -> int:
    """When a module was first called, or where it never is, the module that it is part of."""
    while name not in called and name:
        name = name.rpartition(".")[0]
    return called.get(name, -1)


def _parameters_of(module: nn.Module) -> list[nn.Parameter]:
    """Its own, and those that its own weights are made from."""
    if isinstance(module, ParametrizationList):
        return []
    own = list(module.parameters(recurse=False))
    if is_parametrized(module):
        own += list(cast(nn.ModuleDict, module.parametrizations).parameters())
    return own
