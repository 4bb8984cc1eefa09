"""Convolutions that know the grid they read and leave, for time, images and volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from neurospect.models.checks import Shape, refusal
from neurospect.models.volume_convolution import VolumeConvolution

CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: VolumeConvolution,
}
TRANSPOSED: dict[int, Callable[..., nn.Module]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}


@dataclass(frozen=True)
class Convolution:
    """One convolution over a grid of known size.

    Attributes
    ----------
    inputs, outputs
        Channels.
    grid
        Sizes of what is read, along each axis.
    kernel, stride
        In places, along every axis; (kernel − 1) // 2 places of zeros are padded on each side.
    """

    inputs: int
    outputs: int
    grid: Shape
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        """Places of zeros on each side."""
        return (self.kernel - 1) // 2

    @property
    def grid_left(self) -> Shape:
        """Sizes of what comes out."""
        return tuple((size - self._reach) // self.stride + 1 for size in self.grid)

    @property
    def fits(self) -> bool:
        """Whether every weight meets the input somewhere, rather than padded zeros alone."""
        last_weight = self.kernel - 1 - self.padding
        return all(
            last_weight < size and (left - 1) * self.stride >= self.padding
            for size, left in zip(self.grid, self.grid_left, strict=True)
        )

    @property
    def _reach(self) -> int:
        return self.kernel - 2 * self.padding

    def layer(self, *, weight_normalisation: bool = False) -> nn.Module:
        """Make the convolution."""
        made = CONVOLUTIONS[len(self.grid)](
            self.inputs, self.outputs, self.kernel, self.stride, self.padding
        )
        return weight_norm(made) if weight_normalisation else made

    def mirrored_layer(self, *, weight_normalisation: bool = False) -> nn.Module:
        """Make the transposed convolution, from the grid left back to exactly the grid read."""
        unread = tuple((size - self._reach) % self.stride for size in self.grid)
        made = TRANSPOSED[len(self.grid)](
            self.outputs, self.inputs, self.kernel, self.stride, self.padding, unread
        )
        # Transposed weights lie (inputs, outputs, ...), and each output has a length.
        return weight_norm(made, dim=1) if weight_normalisation else made


def chained(
    channels: int, grid: Shape, layers: Iterable[tuple[int, int, int]], *, pooling: int = 1
) -> list[Convolution]:
    """Let each convolution read what the one before leaves.

    Parameters
    ----------
    channels, grid
        Of the input.
    layers
        Filters, kernel and stride of each convolution.
    pooling
        Places along every axis that are pooled into one behind each convolution.

    Raises
    ------
    BadInputError
        When a kernel or a pool is too large for what is left of the grid.
    """
    made: list[Convolution] = []
    for number, (outputs, kernel, stride) in enumerate(layers, start=1):
        layer = Convolution(channels, outputs, grid, kernel, stride)
        if not layer.fits:
            raise refusal(
                "kernel",
                found=f"{kernel} at stride {stride}, where convolution {number} reads {grid}",
                expected="every weight of the kernel to meet the input",
                remedy="Take fewer layers, a smaller kernel, or less stride and pooling.",
            )
        channels, grid = outputs, tuple(size // pooling for size in layer.grid_left)
        if not min(grid):
            raise refusal(
                "pooling",
                found=f"{pooling}, where convolution {number} leaves {layer.grid_left}",
                expected=f"{min(layer.grid_left)} or less there",
                remedy="Take fewer layers, or less stride and pooling.",
            )
        made.append(layer)
    return made


def channels_first(shape: Shape, dimensions: int) -> tuple[int, Shape, nn.Module, nn.Module]:
    """Tell channels from the grid in the shape of one example.

    Parameters
    ----------
    shape
        (time,) or (time, features) for one dimension; with more, the grid, or channels and the
        grid.
    dimensions
        Of the grid.

    Returns
    -------
    int
        Channels; one where the shape has none.
    tuple of int
        Grid.
    torch.nn.Module
        Brings examples to (samples, channels, *grid).
    torch.nn.Module
        Brings them back.
    """
    if len(shape) == dimensions:
        return 1, shape, nn.Unflatten(1, (1, shape[0])), nn.Flatten(1, 2)
    if dimensions == 1:
        return shape[1], shape[:1], SwapTimeAndFeatures(), SwapTimeAndFeatures()
    return shape[0], shape[1:], nn.Identity(), nn.Identity()


class SwapTimeAndFeatures(nn.Module):
    """(samples, time, features) to (samples, features, time), or back."""

    def forward(self, sequences: Tensor) -> Tensor:
        """Swap the two."""
        return sequences.transpose(1, 2)


class MeanOverGrid(nn.Module):
    """(samples, channels, *grid) to the mean of each channel, (samples, channels)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Take the mean over all places."""
        return maps.flatten(2).mean(2)
