"""Descrambler groups and the SVD (room kept for the third system)."""
