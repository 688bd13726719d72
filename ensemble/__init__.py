"""Bags of neural networks for machine-learning competitions."""
