"""PyTorch's weights as Flax variables, and back."""

from cnn_evolution.pretrained.conversion import from_torch, to_torch
from cnn_evolution.pretrained.files import load_state_dict, save_state_dict
from cnn_evolution.pretrained.published import PretrainedWeights, load_pretrained, pretrained_weights

__all__ = [
    "PretrainedWeights",
    "from_torch",
    "load_pretrained",
    "load_state_dict",
    "pretrained_weights",
    "save_state_dict",
    "to_torch",
]
