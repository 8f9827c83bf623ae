"""Names of ResNeXt's layers, which are ResNet's."""

from cnn_evolution.pretrained.tables import resnet

ZOOS = resnet.ZOOS
