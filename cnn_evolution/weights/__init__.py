"""PyTorch's weights as Flax variables, and back."""

from cnn_evolution.weights.conversion import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
