"""Names of Wide ResNet's layers, which are ResNet's."""

from cnn_evolution.pretrained.tables import resnet

ZOOS = {"torchvision": resnet.ZOOS["torchvision"]}
