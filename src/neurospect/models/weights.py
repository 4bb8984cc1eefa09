"""The weights among a model's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from neurospect.models.checks import refusal


def weights_of(model: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Give each weight with its layer and its name there; not biases, scales and tokens.

    A weight has two dimensions or more, and is called so ("weight", "in_proj_weight") or is longer
    than one along two of them: the matrix of a layer with one output is a weight, a factor for each
    channel of shape (1, channels, 1, 1) is none. What scales the results of a layer norm is none
    either, whatever its shape.

    Where a weight is made from other parameters (weight normalisation), the weight itself is given;
    where layers share one, it is given for each.

    Raises
    ------
    BadInputError
        As `refuse_weights_made_by_hooks`.
    """
    refuse_weights_made_by_hooks(model)
    for module in model.modules():
        if isinstance(module, ParametrizationList):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if _is_weight(module, name, parameter):
                yield module, name, parameter
        if is_parametrized(module):
            for name in cast(nn.ModuleDict, module.parametrizations):
                made: Tensor = getattr(module, name)
                if _is_weight(module, name, made):
                    yield module, name, made


def refuse_weights_made_by_hooks(model: nn.Module) -> None:
    """Refuse normalised weights in PyTorch's old form, whose parts look like weights of their own.

    Raises
    ------
    BadInputError
        When a layer has one.
    """
    for layer, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, (WeightNorm, SpectralNorm)):
                form = "weight_norm" if isinstance(hook, WeightNorm) else "spectral_norm"
                raise refusal(
                    f"layer {layer or type(module).__name__}",
                    found=f"its {hook.name} made by a hook, torch.nn.utils.{form}",
                    expected="weights that are parameters or made by a parametrization",
                    remedy=f"Use torch.nn.utils.parametrizations.{form}.",
                )


def _is_weight(module: nn.Module, name: str, values: Tensor) -> bool:
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)) or name.startswith("bias"):
        return False
    long = sum(size > 1 for size in values.shape)
    return values.ndim >= 2 and ("weight" in name or long >= 2)
