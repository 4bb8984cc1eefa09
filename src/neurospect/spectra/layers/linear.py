"""Linear layers: z = A Wᵀ + b, applied to the last dimension."""

from __future__ import annotations

from torch import Tensor

from neurospect.spectra.layers.layer import Call, Layer, Receiver, samples_of_rows, watch_adjoint


def watch_linear(call: Call, receiver: Receiver) -> None:
    """Hand the layer's input and its adjoint ∂L/∂z over when the backward pass reaches them."""
    given: Tensor = call.argument(0, "input")
    activation, is_data = given.detach(), not given.requires_grad
    weight = call.module.weight

    def reached(adjoint: Tensor) -> None:
        if not receiver.begin():
            return
        dim = receiver.samples_dim
        rows, adjoint = activation, adjoint.detach()
        if rows.ndim == 1:  # a single sample
            rows, adjoint = rows[None], adjoint[None]
        elif dim and rows.ndim > 2:
            rows, adjoint = rows.transpose(0, dim), adjoint.transpose(0, dim)
        receiver.receive(weight, rows, adjoint, is_data=is_data)

    watch_adjoint(call.output, reached)


LINEAR = Layer(watch=watch_linear, samples=samples_of_rows, runs_again=False)
