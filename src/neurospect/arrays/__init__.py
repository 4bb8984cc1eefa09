"""Atomic writes, memory-mapped arrays, labelled arrays and tables."""
