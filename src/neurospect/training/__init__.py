"""One training loop: progress, checkpoint, resume to the same bits."""
