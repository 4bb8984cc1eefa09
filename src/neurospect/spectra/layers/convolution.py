"""Convolutions, and transposed ones, over one to three dimensions.

The kernel, shape (outputs, inputs / groups, *size), is the matrix (outputs, inputs · positions)
that maps the patch under the kernel to the outputs. That of a grouped convolution is
block-diagonal: each group of channels has a block.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight

from neurospect.spectra.layers.layer import Call, Form, Layer, Receiver, watch_adjoint

WEIGHT_GRADIENT = {1: conv1d_weight, 2: conv2d_weight, 3: conv3d_weight}


def watch_convolution(call: Call, receiver: Receiver) -> None:
    """Hand the layer's padded input and its adjoint over when the backward pass reaches them."""
    given: Tensor = call.argument(0, "input")
    activation, is_data = given.detach(), not given.requires_grad
    module = call.module
    form, is_single = convolution_form(module), _is_single(call)

    def reached(adjoint: Tensor) -> None:
        if receiver.begin():
            a, d = activation, adjoint.detach()
            if is_single:
                a, d = a[None], d[None]
            receiver.receive(module.weight, a, d, is_data=is_data, form=form)

    watch_adjoint(call.output, reached)


def convolution_form(module: Any) -> Form:
    """How patches A, (samples, inputs, *size), and adjoints, (samples, outputs, *size), combine."""
    return Form(
        partial(_gradient, module),
        partial(_patches, module),
        lambda d: d.flatten(2).mT.flatten(0, 1),
    )


def _gradient(module: Any, activation: Tensor, adjoint: Tensor) -> Tensor:
    gradient: Tensor = WEIGHT_GRADIENT[activation.ndim - 2](  # type: ignore[no-untyped-call]
        _padded(module, activation),
        module.weight.shape,
        adjoint,
        stride=module.stride,
        dilation=module.dilation,
        groups=module.groups,
    )
    return gradient


def _patches(module: Any, activation: Tensor) -> Tensor:
    """Lay out what the kernel sees, position by position: (samples · positions, inputs · size)."""
    dims = activation.ndim - 2
    patches = _padded(module, activation)
    for dim, (size, stride, dilation) in enumerate(
        zip(module.kernel_size, module.stride, module.dilation, strict=True)
    ):
        patches = patches.unfold(dim + 2, (size - 1) * dilation + 1, stride)[..., ::dilation]
    places = [*range(2, 2 + dims)]
    kernel = [*range(2 + dims, 2 + 2 * dims)]
    return patches.permute(0, *places, 1, *kernel).flatten(1 + dims).flatten(0, dims)


def _padded(module: Any, activation: Tensor) -> Tensor:
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    # The one place where PyTorch keeps what "same" and the modes come to.
    return nn.functional.pad(activation, module._reversed_padding_repeated_twice, mode=mode)


def _is_single(call: Call) -> bool:
    """Whether the input is one sample, without a dimension for samples."""
    dims: int = call.argument(0, "input").ndim
    return dims == len(call.module.kernel_size) + 1


def _samples(call: Call, dim: int) -> int:
    return 1 if _is_single(call) else len(call.argument(0, "input"))


CONVOLUTION = Layer(watch=watch_convolution, samples=_samples, runs_again=False)
TRANSPOSED_CONVOLUTION = Layer()
