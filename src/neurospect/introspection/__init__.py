"""Auto-encoded hidden activations (room kept for the fourth system)."""
