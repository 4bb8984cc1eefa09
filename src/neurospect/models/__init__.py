"""Networks as plain modules without training code, by name."""
