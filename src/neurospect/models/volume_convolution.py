"""A convolution of volumes whose gradient by a volume costs no more than by the weights."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn


class VolumeConvolution(nn.Conv3d):
    """`torch.nn.Conv3d`, quick to differentiate by volumes of one channel on the processor.

    That gradient, which saliency maps and adversarial noise take, is what oneDNN's kernels are
    worst at: with 32 filters it takes some six times as long as the convolution itself. A matrix
    product and one shifted sum per voxel of the kernel give the same but for rounding.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Convolve volumes, shape (samples, channels, x, y, z)."""
        by_products = (
            inputs.requires_grad
            and self.in_channels == 1
            and self.dilation == (1, 1, 1)
            and self.padding_mode == "zeros"
            and not isinstance(self.padding, str)
            and inputs.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
        )
        if not by_products:
            return super().forward(inputs)
        outputs: Tensor = _OneChannelConvolution.apply(  # type: ignore[no-untyped-call]
            inputs, self.weight, self.bias, self.stride, self.padding
        )
        return outputs


class _OneChannelConvolution(torch.autograd.Function):
    """Linear in the inputs; `neurospect.saliency.linear_start` knows it by its name."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
    ) -> Tensor:
        return torch.conv3d(inputs, weight, bias, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        volumes, weight, _, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(volumes, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        asked = ctx.needs_input_grad
        by_inputs = None
        if asked[0]:
            by_inputs = _by_inputs(gradient, weight, inputs, ctx.stride, ctx.padding)
        _, by_weight, by_bias = torch.ops.aten.convolution_backward(
            gradient,
            inputs,
            weight,
            [len(weight)],
            ctx.stride,
            ctx.padding,
            [1, 1, 1],
            False,
            [0, 0, 0],
            1,
            [False, asked[1], asked[2]],
        )
        return by_inputs, by_weight, by_bias, None, None


def _by_inputs(
    gradient: Tensor,
    weight: Tensor,
    inputs: Tensor,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
) -> Tensor:
    padded = [size + 2 * pad for size, pad in zip(inputs.shape[2:], padding, strict=True)]
    by_padded = gradient.new_zeros(len(gradient), *padded)
    windows = [
        tuple(
            slice(first, first + step * (count - 1) + 1, step)
            for first, step, count in zip(offset, stride, gradient.shape[2:], strict=True)
        )
        for offset in product(*map(range, weight.shape[2:]))
    ]
    by_offset = weight.flatten(1).T
    # One sample at a time: what each voxel of the kernel contributes stays in the cache.
    for place, outgoing in enumerate(gradient):
        shares = (by_offset @ outgoing.flatten(1)).view(-1, *outgoing.shape[1:])
        for window, share in zip(windows, shares, strict=True):
            by_padded[place][window] += share
    inside = tuple(
        slice(pad, pad + size) for pad, size in zip(padding, inputs.shape[2:], strict=True)
    )
    return by_padded[(slice(None), *inside)].unsqueeze(1)
