"""Peers that no zoo has, put together from torch's layers as the papers' tables say."""

from collections import OrderedDict

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, and the input added to them or not; new channels of the input are zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, shortcut: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.new, self.shortcut = stride, outputs - inputs, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.shortcut:
            y = y + nn.functional.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return y.relu()


def residual(stem: nn.Sequential, features: tuple[int, ...], depth: int, classes: int, *, shortcut: bool) -> nn.Module:
    """A network of He et al. 2016 with torchvision's names, from its stem to its classifier."""
    inputs = features[0]
    for stage, outputs in enumerate(features, start=1):
        blocks = []
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            blocks.append(ResidualBlock(inputs, outputs, stride, shortcut=shortcut))
            inputs = outputs
        stem.add_module(f"layer{stage}", nn.Sequential(*blocks))
    stem.add_module("pool", nn.AdaptiveAvgPool2d(1))
    stem.add_module("flat", nn.Flatten())
    stem.add_module("fc", nn.Linear(inputs, classes))
    return stem


def imagenet_stem() -> nn.Sequential:
    layers = {
        "conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        "bn1": nn.BatchNorm2d(64),
        "relu": nn.ReLU(),
        "maxpool": nn.MaxPool2d(3, 2, 1),
    }
    return nn.Sequential(OrderedDict(layers))


def cifar_stem() -> nn.Sequential:
    layers = {"conv1": nn.Conv2d(3, 16, 3, 1, 1, bias=False), "bn1": nn.BatchNorm2d(16), "relu": nn.ReLU()}
    return nn.Sequential(OrderedDict(layers))


def resnet18_option_a(classes: int) -> nn.Module:
    """He et al. 2016, Table 1, with parameter-free shortcuts."""
    return residual(imagenet_stem(), (64, 128, 256, 512), 2, classes, shortcut=True)


def plain18(classes: int) -> nn.Module:
    """The same without shortcuts."""
    return residual(imagenet_stem(), (64, 128, 256, 512), 2, classes, shortcut=False)


def cifar_resnet20(classes: int) -> nn.Module:
    """He et al. 2016, section 4.2, with parameter-free shortcuts."""
    return residual(cifar_stem(), (16, 32, 64), 3, classes, shortcut=True)


def cifar_plain20(classes: int) -> nn.Module:
    """The same without shortcuts."""
    return residual(cifar_stem(), (16, 32, 64), 3, classes, shortcut=False)
