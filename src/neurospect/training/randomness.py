"""Random numbers of a training's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed PyTorch's global generators, of the processor and of a device, for a while.

    Behind it, they are in the state in which they were before.

    Parameters
    ----------
    device
        Where the model computes; generators of other devices are not touched.
    seed
        For both.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            # Else the current device were seeded, not this one.
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
