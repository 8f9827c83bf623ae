"""Names of ZFNet's layers."""

from cnn_evolution.weights.names import Names
from cnn_evolution.weights.tables import alexnet

ZOOS = {"pytorchcv": Names(alexnet.pytorchcv)}
