"""Fitting: the one torch loop, its checkpoints and devices, and the validation part that ends it early."""
