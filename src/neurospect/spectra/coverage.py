"""Which weights of a model get a spectrum, in which way of recording, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from neurospect.errors import BadInputError
from neurospect.spectra.layers import LAYERS, OTHER
from neurospect.spectra.layers.layer import Layer
from neurospect.spectra.weight_matrices import WeightMatrix, weight_matrices


@dataclass(frozen=True)
class Coverage:
    """What can be recorded of a model.

    Attributes
    ----------
    matrices
        Name → matrix, in the order of the model: all that can be recorded group by group.
    shown
        Names of those whose activations and adjoints hooks show, in any backward pass.
    watched
        Modules to hook, with what is known of their type.
    unrecorded
        Parameter name → why it has no spectrum.
    only_by_group
        Parameter name → why it has a spectrum group by group only.
    """

    matrices: dict[str, WeightMatrix]
    shown: tuple[str, ...]
    watched: list[tuple[nn.Module, Layer]]
    unrecorded: dict[str, str]
    only_by_group: dict[str, str]


def coverage_of(model: nn.Module) -> Coverage:
    """Sort the parameters of `model`.

    Raises
    ------
    BadInputError
        When no weight of the model can be recorded, or one has no shape yet.
    """
    _refuse_shapeless(model)
    why_hidden = _why_hidden(model)
    matrices: dict[str, WeightMatrix] = {}
    unrecorded: dict[str, str] = {}
    only_by_group: dict[str, str] = {}
    for name, holders in _holders(model).items():
        module, layer = holders[name]
        parameter = model.get_parameter(name)
        reason = _why_unrecorded(parameter, module, layer)
        if reason:
            unrecorded[name] = reason
            continue
        matrices.update(weight_matrices(name, parameter, module, layer))
        reasons = [
            why_hidden.get(held, f"hooks do not show adjoints of {type(holder).__name__}")
            for held, (holder, _) in holders.items()
        ]
        if any(reasons):
            reason = next(filter(None, reasons))
            only_by_group[name] = f"{reason}; recorded by spectra.backward only"
    if not matrices:
        raise BadInputError(
            "GradientSpectra",
            "model",
            found=f"{type(model).__name__} without a weight that can be recorded ({unrecorded})",
            expected="at least one trainable weight of two or more dimensions",
            remedy="Give a model with such layers.",
        )
    seen_only_by_group = {id(model.get_parameter(name)) for name in only_by_group}
    shown = {n: m for n, m in matrices.items() if id(m.parameter) not in seen_only_by_group}
    weights = {id(matrix.parameter) for matrix in shown.values()}
    watched = [
        (module, layer)
        for module in model.modules()
        if _is_watchable(module, layer := _layer_of(module))
        and any(id(weight) in weights for weight in layer.weights(module).values())
    ]
    return Coverage(matrices, tuple(shown), watched, unrecorded, only_by_group)


def _refuse_shapeless(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise BadInputError(
                "GradientSpectra",
                f"parameter {name}",
                found="no shape yet, as in a lazy layer before its first pass",
                expected="weights that are there",
                remedy="Send one batch through the model first.",
            )


def why_samples_depend(model: nn.Module) -> tuple[str, str] | None:
    """Name the first layer, in training mode, that ties samples together, and say how.

    Batch normalisation does, and so does what draws random numbers for each pass (dropout).
    """
    for name, module in model.named_modules():
        kind = type(module).__name__
        if module.training and isinstance(module, _BatchNorm):
            why = "normalises over the batch, so a sample's gradient depends on all others"
            return name, f"{kind}, which {why}"
        if module.training and draws_a_mask(module):
            return name, f"{kind}, which draws its mask anew for each group"
    return None


def refuse_dependent_samples(model: nn.Module) -> None:
    """Refuse a model that cannot go group by group.

    Raises
    ------
    BadInputError
        When a layer ties samples together, as `why_samples_depend` says.
    """
    found = why_samples_depend(model)
    if found:
        name, why = found
        raise BadInputError(
            "GradientSpectra.backward",
            f"layer {name}",
            found=why,
            expected="layers that treat each sample by itself",
            remedy="Call loss.backward() on the whole batch instead, or say engine='auto'.",
        )


def draws_a_mask(module: nn.Module) -> bool:
    """Whether a layer in training mode drops values at random."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return isinstance(module, nn.MultiheadAttention) and module.dropout > 0


def has_batch_first(model: nn.Module) -> bool:
    """Whether samples come before time or tokens: unless all of the model's layers deny it."""
    said = [module.batch_first for module in model.modules() if hasattr(module, "batch_first")]
    return any(said) or not said


def _layer_of(module: nn.Module) -> Layer:
    return LAYERS.get(type(module), OTHER)


def _is_watchable(module: nn.Module, layer: Layer) -> bool:
    return layer.watch is not None and not layer.why_unwatched(module)


def _why_hidden(model: nn.Module) -> dict[str, str]:
    """Say why hooks do not show a weight, empty where they do, by all names of each weight.

    Weights of layer types that hooks cannot watch are left out.
    """
    return {
        f"{path}.{name}" if path else name: layer.why_unwatched(module)
        for path, module in model.named_modules(remove_duplicate=False)
        if (layer := _layer_of(module)).watch is not None
        for name in layer.weights(module)
    }


def _holders(model: nn.Module) -> dict[str, dict[str, tuple[nn.Module, Layer]]]:
    """Parameter name → all names of that parameter, each with the module that holds it."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    holders: dict[str, dict[str, tuple[nn.Module, Layer]]] = {n: {} for n in first.values()}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            full = f"{path}.{name}" if path else name
            holders[first[id(parameter)]][full] = (module, _layer_of(module))
    return holders


def _why_unrecorded(parameter: nn.Parameter, module: nn.Module, layer: Layer) -> str:
    is_row = parameter.ndim > 2 and parameter.numel() == max(parameter.shape)
    if parameter.ndim < 2 or (is_row and not isinstance(module, _ConvNd)):
        return "a vector has a norm, not a spectrum"
    if layer.why_no_matrix:
        return layer.why_no_matrix
    if parameter.is_complex():
        return "complex numbers are not covered"
    return "" if parameter.requires_grad else "frozen: it has no gradient"
