"""Spectra of gradients, activations and adjoints, by groups of samples."""

from neurospect.spectra.blocks import BlockPlan
from neurospect.spectra.recorder import GradientSpectra

__all__ = ["BlockPlan", "GradientSpectra"]
