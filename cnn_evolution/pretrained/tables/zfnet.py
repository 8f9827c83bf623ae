"""Names of ZFNet's layers."""

from cnn_evolution.pretrained.names import Names
from cnn_evolution.pretrained.tables import alexnet

ZOOS = {"pytorchcv": Names(alexnet.pytorchcv)}
