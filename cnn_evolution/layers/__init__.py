"""The vocabulary that architectures share."""

from cnn_evolution.layers.adaptive import adaptive_avg_pool
from cnn_evolution.layers.attention import SqueezeExcite
from cnn_evolution.layers.branches import Branch, Branches, ConvNormRelu, Filters, Fork, side_by_side
from cnn_evolution.layers.convolution import conv, convolve
from cnn_evolution.layers.endpoints import endpoint, wanted
from cnn_evolution.layers.initialisation import HE_FAN_IN, HE_FAN_OUT, kernel_init
from cnn_evolution.layers.normalisation import batch_norm, local_response_norm
from cnn_evolution.layers.platform import plain_convolutions
from cnn_evolution.layers.pooling import avg_pool, global_avg_pool, max_pool
from cnn_evolution.layers.shuffle import channel_shuffle
from cnn_evolution.layers.stochastic_depth import stochastic_depth
from cnn_evolution.layers.width import divisible, scaled

__all__ = [
    "HE_FAN_IN",
    "HE_FAN_OUT",
    "Branch",
    "Branches",
    "ConvNormRelu",
    "Filters",
    "Fork",
    "SqueezeExcite",
    "adaptive_avg_pool",
    "avg_pool",
    "batch_norm",
    "channel_shuffle",
    "conv",
    "convolve",
    "divisible",
    "endpoint",
    "global_avg_pool",
    "kernel_init",
    "local_response_norm",
    "max_pool",
    "plain_convolutions",
    "scaled",
    "side_by_side",
    "stochastic_depth",
    "wanted",
]
