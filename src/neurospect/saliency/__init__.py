"""Saliency maps and adversarial robustness (room kept for the second system)."""
