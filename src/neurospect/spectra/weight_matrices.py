"""Weights as matrices: whole, by role, and with their kernels folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from neurospect.spectra.layers.layer import Layer


@dataclass(frozen=True)
class WeightMatrix:
    """A weight, or the part of it that has one role, as a matrix of outputs × inputs.

    Attributes
    ----------
    parameter
        The weight.
    role
        What the part does ("forget", "query"); empty for a whole weight.
    rows
        Rows of the weight that the part takes up.
    folded
        Shape of the part once its trailing dimensions (a kernel's positions) are folded.
    blocks
        Blocks on the diagonal of the matrix: groups of channels of a grouped convolution.
    is_kernel
        Whether it is that of a convolution.
    positions
        Positions of the kernel, each a column of every input channel.
    """

    parameter: nn.Parameter
    role: str
    rows: slice
    folded: tuple[int, int]
    blocks: int = 1
    is_kernel: bool = False
    positions: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.folded[0], self.folded[1] * self.blocks

    def of_weight(self, values: Tensor) -> Tensor:
        """Return the matrix out of values in the shape of the whole weight, such as a gradient."""
        return self.of_part(values.to_dense()[self.rows])

    def of_part(self, values: Tensor) -> Tensor:
        """Return the matrix out of values in the shape of the part."""
        matrix = values.reshape(self.folded)
        if self.blocks == 1:
            return matrix
        diagonal: Tensor = torch.block_diag(*matrix.chunk(self.blocks))  # type: ignore[no-untyped-call]
        return diagonal

    def by_position(self, matrices: Tensor) -> Tensor:
        """Take (..., outputs, inputs) apart by kernel position: (..., positions, outputs, ·)."""
        channels = matrices.shape[-1] // self.positions
        return matrices.reshape(*matrices.shape[:-1], channels, self.positions).movedim(-1, -3)


def weight_matrices(
    name: str, parameter: nn.Parameter, module: Any, layer: Layer
) -> dict[str, WeightMatrix]:
    """List the matrices that a weight holds, by name: its own, with "[role]" where it has several.

    Parameters
    ----------
    name, parameter
        As in ``model.named_parameters()``; of two or more dimensions.
    module, layer
        The module that holds it, and what is known of its type.
    """
    local = name.rpartition(".")[2]
    roles = layer.roles(module, local) or ("",)
    is_kernel = local == "weight" and isinstance(module, _ConvNd)
    shape = list(parameter.shape)
    while not is_kernel and len(shape) > 2 and shape[0] == 1:
        shape.pop(0)  # as of learned positions, (1, tokens, features)
    height = shape[0] // len(roles)
    folded = (height, parameter.numel() // shape[0])
    return {
        f"{name}[{role}]".replace("/", "|") if role else name.replace("/", "|"): WeightMatrix(
            parameter,
            role,
            slice(None) if len(roles) == 1 else slice(place * height, (place + 1) * height),
            folded,
            blocks=module.groups if is_kernel else 1,
            is_kernel=is_kernel,
            positions=torch.Size(module.kernel_size).numel() if is_kernel else 1,
        )
        for place, role in enumerate(roles)
    }
