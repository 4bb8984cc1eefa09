"""What neural networks learn from neuroimaging data, and where every figure came from."""
