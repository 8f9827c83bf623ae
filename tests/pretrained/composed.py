"""Networks that no zoo has as published, put together from torch's layers and the papers' tables.

Layers have the names that a zoo gives its own form of the network.
"""

import collections
from collections.abc import Callable

import torch
from torch import nn
from torchvision.models import vgg


class Unit(nn.Sequential):
    """Convolution and ReLU; `norm` follows where there is one."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: nn.Module | None = None, **options):
        layers = {"conv": nn.Conv2d(inputs, outputs, kernel, **options), "relu": nn.ReLU()}
        super().__init__(collections.OrderedDict(layers if norm is None else layers | {"norm": norm}))


def response_norm() -> nn.LocalResponseNorm:
    """The constants of Krizhevsky et al. 2012, section 3.3; torch divides alpha by the size."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2)


def named(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(collections.OrderedDict(layers))


def alexnet(classes: int) -> nn.Module:
    """Krizhevsky et al. 2012, Fig. 2, by pytorchcv's names."""

    def dense(inputs: int) -> nn.Sequential:
        return named(fc=nn.Linear(inputs, 4096), relu=nn.ReLU(), dropout=nn.Dropout())

    return named(
        features=named(
            stage1=named(unit1=Unit(3, 96, 11, response_norm(), stride=4), pool=nn.MaxPool2d(3, 2)),
            stage2=named(unit1=Unit(96, 256, 5, response_norm(), padding=2, groups=2), pool=nn.MaxPool2d(3, 2)),
            stage3=named(
                unit1=Unit(256, 384, 3, padding=1),
                unit2=Unit(384, 384, 3, padding=1, groups=2),
                unit3=Unit(384, 256, 3, padding=1, groups=2),
                pool=nn.MaxPool2d(3, 2),
            ),
        ),
        flatten=nn.Flatten(),
        output=named(fc1=dense(256 * 6 * 6), fc2=dense(4096), fc3=nn.Linear(4096, classes)),
    )


def lecture_vgg(depths: tuple[int, ...], classes: int) -> nn.Module:
    plan: list[str | int] = []
    for features, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        plan += [features] * depth + ["M"]
    return vgg.VGG(vgg.make_layers(plan), num_classes=classes, init_weights=False)


def vgg16_lecture(classes: int) -> nn.Module:
    return lecture_vgg((2, 2, 2, 3, 3), classes)


def vgg19_lecture(classes: int) -> nn.Module:
    return lecture_vgg((2, 2, 2, 4, 4), classes)


class Inception(nn.Module):
    """Szegedy et al. 2015, Fig. 2b, by torchvision's names."""

    def __init__(self, inputs: int, row: tuple[int, ...]):
        super().__init__()
        self.branch1 = Unit(inputs, row[0], 1)
        self.branch2 = nn.Sequential(Unit(inputs, row[1], 1), Unit(row[1], row[2], 3, padding=1))
        self.branch3 = nn.Sequential(Unit(inputs, row[3], 1), Unit(row[3], row[4], 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Unit(inputs, row[5], 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


INCEPTIONS = {  # Table 1: inputs; 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
    "3a": (192, (64, 96, 128, 16, 32, 32)),
    "3b": (256, (128, 128, 192, 32, 96, 64)),
    "4a": (480, (192, 96, 208, 16, 48, 64)),
    "4b": (512, (160, 112, 224, 24, 64, 64)),
    "4c": (512, (128, 128, 256, 24, 64, 64)),
    "4d": (512, (112, 144, 288, 32, 64, 64)),
    "4e": (528, (256, 160, 320, 32, 128, 128)),
    "5a": (832, (256, 160, 320, 32, 128, 128)),
    "5b": (832, (384, 192, 384, 48, 128, 128)),
}
Outputs = collections.namedtuple("Outputs", ["logits", "aux_logits2", "aux_logits1"])


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015, Table 1, with the auxiliary classifiers of section 5."""

    def __init__(self, classes: int):
        super().__init__()

        def auxiliary(inputs: int) -> nn.Sequential:
            return named(
                pool=nn.AvgPool2d(5, 3),
                conv=Unit(inputs, 128, 1),
                flatten=nn.Flatten(),
                fc1=nn.Linear(4 * 4 * 128, 1024),
                relu=nn.ReLU(),
                dropout=nn.Dropout(0.7),
                fc2=nn.Linear(1024, classes),
            )

        self.conv1 = Unit(3, 64, 7, stride=2, padding=3)
        self.conv2 = Unit(64, 64, 1)
        self.conv3 = Unit(64, 192, 3, padding=1)
        for name, (inputs, row) in INCEPTIONS.items():
            setattr(self, f"inception{name}", Inception(inputs, row))
        self.aux1, self.aux2 = auxiliary(512), auxiliary(528)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = response_norm()
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor | Outputs:
        x = self.norm(self.pool(self.conv1(x)))
        x = self.pool(self.norm(self.conv3(self.conv2(x))))
        x = self.pool(self.inception3b(self.inception3a(x)))
        after_4a = self.inception4a(x)
        after_4d = self.inception4d(self.inception4c(self.inception4b(after_4a)))
        x = self.pool(self.inception4e(after_4d))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(self.dropout(x.mean((2, 3))))
        return Outputs(logits, self.aux2(after_4d), self.aux1(after_4a)) if self.training else logits


def googlenet(classes: int) -> nn.Module:
    return GoogLeNet(classes)


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


def residual(
    stem: nn.Sequential, features: tuple[int, ...], depths: tuple[int, ...], classes: int, *, shortcut: bool
) -> nn.Module:
    """A network of He et al. 2016 with torchvision's names, from its stem to its classifier."""
    inputs = features[0]
    for stage, (outputs, depth) in enumerate(zip(features, depths, strict=True), start=1):
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
    return nn.Sequential(collections.OrderedDict(layers))


def cifar_stem() -> nn.Sequential:
    layers = {"conv1": nn.Conv2d(3, 16, 3, 1, 1, bias=False), "bn1": nn.BatchNorm2d(16), "relu": nn.ReLU()}
    return nn.Sequential(collections.OrderedDict(layers))


def imagenet(*depths: int, shortcut: bool) -> Callable[[int], nn.Module]:
    """He et al. 2016, Table 1, with parameter-free shortcuts or none."""
    return lambda classes: residual(imagenet_stem(), (64, 128, 256, 512), depths, classes, shortcut=shortcut)


def cifar(layers: int, *, shortcut: bool) -> Callable[[int], nn.Module]:
    """He et al. 2016, section 4.2, with parameter-free shortcuts or none."""
    depths = 3 * ((layers - 2) // 6,)
    return lambda classes: residual(cifar_stem(), (16, 32, 64), depths, classes, shortcut=shortcut)


resnet18_option_a = imagenet(2, 2, 2, 2, shortcut=True)
resnet34_option_a = imagenet(3, 4, 6, 3, shortcut=True)
plain18 = imagenet(2, 2, 2, 2, shortcut=False)
plain34 = imagenet(3, 4, 6, 3, shortcut=False)
cifar_resnet20 = cifar(20, shortcut=True)
cifar_resnet32 = cifar(32, shortcut=True)
cifar_resnet44 = cifar(44, shortcut=True)
cifar_resnet56 = cifar(56, shortcut=True)
cifar_resnet110 = cifar(110, shortcut=True)
cifar_plain20 = cifar(20, shortcut=False)
cifar_plain56 = cifar(56, shortcut=False)
