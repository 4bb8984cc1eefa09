"""What the recorder asks of a layer type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Form:
    """How the activations A and adjoints Δ of a weight make up its gradient.

    Both have their samples in the first dimension.

    Attributes
    ----------
    gradient
        Of some samples' A and Δ: the gradient, in the shape of the parameter or of its role.
    activation_rows, adjoint_rows
        A and Δ as matrices, shapes (rows, inputs) and (rows, outputs).
    """

    gradient: Callable[[Tensor, Tensor], Tensor]
    activation_rows: Callable[[Tensor], Tensor]
    adjoint_rows: Callable[[Tensor], Tensor]


def folded(samples: Tensor) -> Tensor:
    """Fold tokens or time, (samples, [...], features), into rows, (samples · ..., features)."""
    return samples.flatten(0, -2)


# z = A Wᵀ + b over the last dimension: what most weights do.
ROWS = Form(lambda a, d: folded(d).mT @ folded(a), folded, folded)


@dataclass(frozen=True)
class Call:
    """One call of a module in the forward pass."""

    module: Any
    inputs: tuple[Any, ...]
    named: Mapping[str, Any]
    output: Any

    def argument(self, place: int, name: str) -> Any:
        """One argument, however it was given; None where it was not."""
        return self.inputs[place] if len(self.inputs) > place else self.named.get(name)


class Receiver(Protocol):
    """Where a watched layer's activations and adjoints go."""

    @property
    def samples_dim(self) -> int:
        """Dimension of the samples where layers cannot know it, as in (time, samples, features)."""

    def begin(self) -> bool:
        """Say that the backward pass has reached the layer; learn whether anything is wanted."""

    def receive(
        self,
        weight: nn.Parameter,
        activation: Tensor,
        adjoint: Tensor,
        *,
        role: str = "",
        is_data: bool = False,
        form: Form = ROWS,
    ) -> None:
        """Take A and Δ of one use of a weight; samples first, features last (or as `form` says).

        Parameters
        ----------
        weight
            The parameter used.
        activation, adjoint
            Shapes (samples, [...], inputs) and (samples, [...], outputs).
        role
            Which role of the weight; all of them, side by side in the adjoint, where not given.
        is_data
            The activation is data that entered the model, rather than computed by it.
        form
            How gradients come of the two.
        """

    def when_pass_ends(self, job: Callable[[], None]) -> None:
        """Run `job` once the whole backward pass is over."""


@dataclass(frozen=True)
class Layer:
    """How the weights of one layer type are recorded.

    Attributes
    ----------
    roles
        Of a module's parameter, by name: what its equal parts along the first dimension do; empty
        where it does one thing.
    why_no_matrix
        Why no parameter of the layer is a matrix; empty where they are.
    watch
        Arranges, in the forward pass, that a receiver is handed activations and adjoints in the
        backward pass; None where hooks cannot show them.
    weights
        Parameters that `watch` shows, by their names within the module.
    why_unwatched
        Why a given module cannot be watched; empty where it can.
    samples
        Number of samples in a call, given the dimension of the samples.
    runs_again
        Whether `watch` has to run the layer again to show its adjoints.
    """

    roles: Callable[[Any, str], tuple[str, ...]] = lambda module, name: ()
    why_no_matrix: str = ""
    watch: Callable[[Call, Receiver], None] | None = None
    weights: Callable[[Any], dict[str, nn.Parameter]] = lambda module: {"weight": module.weight}
    why_unwatched: Callable[[Any], str] = lambda module: ""
    samples: Callable[[Call, int], int] = lambda call, dim: 0
    runs_again: bool = True


def watch_adjoint(output: Tensor, reached: Callable[[Tensor], None]) -> None:
    """Have `reached` called with ∂L/∂output, also where `output` is changed in place later.

    Such a change gives a view a new history, without the hooks put on it, but leaves the history
    of what it is a view of. Linear layers, attention and recurrent layers may give out views.

    Parameters
    ----------
    output
        Of a layer; nothing is done where it needs no gradient, as where its weight is frozen.
    reached
        Given the adjoint, in the shape of `output`.
    """
    if not output.requires_grad:
        return
    if output._base is None or not _covers(output, output._base):
        output.register_hook(reached)  # type: ignore[no-untyped-call]
        return
    # With batch_first, samples come first only in the view.
    dims = (0, 0) if output.is_contiguous() else (0, 1)
    shape = output.transpose(*dims).shape

    def base_reached(adjoint: Tensor) -> None:
        reached(adjoint.reshape(shape).transpose(*dims))

    output._base.register_hook(base_reached)  # type: ignore[no-untyped-call]


def _covers(output: Tensor, base: Tensor) -> bool:
    """Whether a view shows all of its base, in order but for an exchange of the first two dims."""
    if base.grad_fn is None or base.numel() != output.numel() or not base.is_contiguous():
        return False
    return output.is_contiguous() or (output.ndim > 1 and output.transpose(0, 1).is_contiguous())


def watch_outputs(
    outputs: Sequence[Tensor],
    receiver: Receiver,
    show: Callable[[Sequence[Tensor | None]], None],
) -> None:
    """Have `show` called with the gradients of a layer's outputs once the backward pass is over.

    For layers that have to be run again before their adjoints are known.

    Parameters
    ----------
    outputs
        Of one call.
    receiver
        Who waits for the adjoints.
    show
        Given a gradient for each output, None where the loss does not depend on it; may
        differentiate.
    """
    found: dict[int, Tensor] = {}

    def show_found() -> None:
        gradients = [found.get(place) for place in range(len(outputs))]
        found.clear()
        with torch.enable_grad(), torch.autocast(outputs[0].device.type, enabled=False):
            show(gradients)

    def reached(place: int, gradient: Tensor) -> None:
        if receiver.begin():
            if not found:
                receiver.when_pass_ends(show_found)
            found[place] = gradient.detach()

    for place, output in enumerate(outputs):
        watch_adjoint(output, partial(reached, place))


def samples_of_rows(call: Call, dim: int) -> int:
    """Count the samples of an input whose features come last; `dim` counts where it is 3-D."""
    rows: Tensor = call.argument(0, "input")
    if rows.ndim == 1:
        return 1
    return rows.shape[dim if rows.ndim > 2 else 0]


def may_hold(call: Call, samples: int) -> bool:
    """Whether the input of a call can be made of so many samples, tokens folded in or not."""
    rows = call.argument(0, "input")
    if not isinstance(rows, Tensor):
        return True
    return samples in rows.shape[:-1] or prod(rows.shape[:-1]) % samples == 0
