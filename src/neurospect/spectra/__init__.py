"""Spectra of gradients, activations and adjoints, by groups of samples."""
