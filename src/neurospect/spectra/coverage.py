"""Which weights of a model get a spectrum, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from neurospect.errors import BadInputError
from neurospect.spectra.layers import WATCHED, Watch


@dataclass(frozen=True)
class Watched:
    """Modules to hook, with how, and the weights whose gradients they give."""

    modules: list[tuple[nn.Module, Watch]]
    weights: dict[str, nn.Parameter]


def covered_modules(model: nn.Module) -> tuple[Watched, dict[str, str]]:
    """Sort the parameters of `model` into those recorded and those not.

    Returns
    -------
    Watched
        What to hook.
    dict
        Parameter name → why it has no spectrum.

    Raises
    ------
    BadInputError
        When nothing in the model is covered.
    """
    modules = [
        (module, WATCHED[type(module)]) for module in model.modules() if type(module) in WATCHED
    ]
    covered = {id(module.weight) for module, _ in modules}
    owners = {
        f"{path}.{name}" if path else name: type(module).__name__
        for path, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
    }
    weights: dict[str, nn.Parameter] = {}
    unrecorded: dict[str, str] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            unrecorded[name] = "a vector has a norm, not a spectrum"
        elif id(parameter) not in covered:
            unrecorded[name] = f"layers of type {owners[name]} are not covered"
        elif not parameter.requires_grad:
            unrecorded[name] = "frozen: it has no gradient"
        else:
            weights[name] = parameter
    if not weights:
        raise BadInputError(
            "GradientSpectra",
            "model",
            found=f"{type(model).__name__} without a weight that can be recorded ({unrecorded})",
            expected="at least one trainable " + " or ".join(kind.__name__ for kind in WATCHED),
            remedy="Give a model with covered layers.",
        )
    kept = [(m, w) for m, w in modules if id(m.weight) in {id(p) for p in weights.values()}]
    return Watched(kept, weights), unrecorded


def refuse_dependent_samples(model: nn.Module) -> None:
    """Refuse a model that cannot go group by group.

    Raises
    ------
    BadInputError
        When a layer in training mode makes samples depend on one another (batch normalisation), or
        draws random numbers per pass (dropout).
    """
    for name, module in model.named_modules():
        if module.training and isinstance(module, (_BatchNorm, _DropoutNd)):
            if isinstance(module, _DropoutNd) and module.p == 0:
                continue
            why = (
                "normalises over the batch, so a sample's gradient depends on all others"
                if isinstance(module, _BatchNorm)
                else "draws its mask anew for each group"
            )
            raise BadInputError(
                "GradientSpectra.backward",
                f"layer {name}",
                found=f"{type(module).__name__}, which {why}",
                expected="layers that treat each sample by itself",
                remedy="Call loss.backward() on the whole batch instead.",
            )
