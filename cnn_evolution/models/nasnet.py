"""NASNet: B. Zoph, V. Vasudevan, J. Shlens, Q. Le, "Learning Transferable Architectures for Scalable Image
Recognition", CVPR 2018 (arXiv 1707.07012, 2017).

A search on CIFAR-10 found two cells, which are stacked for ImageNet: normal cells keep the size of the map, reduction
cells halve it (Fig. 2). A cell sees the outputs of the two cells before it, and adds up pairs of operations on them and
on its own sums (Fig. 4: NASNet-A). `nasnet_a_mobile` has 4 normal cells in each of three stages and 1056 channels at
the end (4 @ 1056), `nasnet_a_large` 6 and 4032.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers

ModuleDef = Callable[..., nn.Module]
Term = tuple[str, str]


class Plan(NamedTuple):
    """A searched cell.

    Attributes:
      sums: Pairs of terms (operation, map), which are added. The maps are "h", the output of the cell before, "p", that
        of the one before it, and "1", "2", ..., the sums. Operations: "sep3", "sep5" and "sep7" are separable
        convolutions, "max3" and "avg3" pools, of that window size; "same" is the identity.
      outputs: The maps that the cell concatenates.
    """

    sums: tuple[tuple[Term, Term], ...]
    outputs: tuple[str, ...]


NORMAL_A = Plan(
    sums=(
        (("sep5", "h"), ("sep3", "p")),
        (("sep5", "p"), ("sep3", "p")),
        (("avg3", "h"), ("same", "p")),
        (("avg3", "p"), ("avg3", "p")),
        (("sep3", "h"), ("same", "h")),
    ),
    outputs=("p", "1", "2", "3", "4", "5"),
)
REDUCTION_A = Plan(
    sums=(
        (("sep5", "h"), ("sep7", "p")),
        (("max3", "h"), ("sep7", "p")),
        (("avg3", "h"), ("sep5", "p")),
        (("same", "2"), ("avg3", "1")),
        (("sep3", "1"), ("max3", "h")),
    ),
    outputs=("2", "3", "4", "5"),
)


class Operation(nn.Module):
    """One term of a sum, (N, H, W, C) -> (N, H / stride, W / stride, features).

    Pools and identities are followed by a 1 x 1 convolution where they could not give that shape alone.
    """

    kind: str
    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation
    count_padding: bool
    drop_path: float
    train: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        name, window = self.kind.rstrip("357"), self.kind[3:]
        if name == "same" and self.stride == 1 and x.shape[-1] == self.features:
            return x
        if name == "same":
            return self.norm(name="bn")(self.conv(self.features, 1, self.stride, name="conv")(self.act(x)))
        y = self.separable(x, int(window)) if name == "sep" else self.pool(x, name, int(window))
        return layers.stochastic_depth(self.drop_path, train=self.train, name="drop_path")(y)

    def separable(self, x: Array, window: int) -> Array:
        """ReLU, depthwise and 1 x 1 convolution and normalisation, twice (Appendix A.4)."""
        for i, stride in ((1, self.stride), (2, 1)):
            channels = x.shape[-1]
            x = self.conv(channels, window, stride, "SAME", groups=channels, name=f"depthwise{i}")(self.act(x))
            x = self.conv(self.features, 1, name=f"pointwise{i}")(x)
            x = self.norm(name=f"bn{i}")(x)
        return x

    def pool(self, x: Array, name: str, window: int) -> Array:
        if name == "max":
            y = layers.max_pool(x, window, self.stride, "SAME")
        else:
            counted = self.count_padding and self.stride > 1
            y = layers.avg_pool(x, window, self.stride, "SAME", count_include_pad=counted)
        if y.shape[-1] != self.features:
            y = self.norm(name="bn")(self.conv(self.features, 1, name="conv")(y))
        return y


class Cell(nn.Module):
    """Maps of the two cells before, (N, H, W, C) and (N, H or 2 H, W or 2 W, C'), to the plan's outputs side by side,
    (N, H / stride, W / stride, features each); the first cell has one map only.
    """

    plan: Plan
    features: int
    stride: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation
    operation: ModuleDef

    @nn.compact
    def __call__(self, last: Array, previous: Array | None) -> Array:
        maps = {"h": self.squeeze(last, "squeeze"), "p": last}
        if previous is not None:
            same_size = previous.shape[1:3] == last.shape[1:3]
            maps["p"] = self.squeeze(previous, "previous") if same_size else self.halve(previous)
        for i, terms in enumerate(self.plan.sums, start=1):
            left, right = (
                self.operation(
                    kind=kind,
                    features=self.features,
                    stride=self.stride if source in ("h", "p") else 1,
                    name=f"sum{i}_{side}",
                )(maps[source])
                for side, (kind, source) in zip(("left", "right"), terms, strict=True)
            )
            maps[str(i)] = left + right
        return jnp.concatenate([maps[name] for name in self.plan.outputs], axis=-1)

    def squeeze(self, x: Array, name: str) -> Array:
        x = self.conv(self.features, 1, name=f"{name}_conv")(self.act(x))
        return self.norm(name=f"{name}_bn")(x)

    def halve(self, x: Array) -> Array:
        """Half the size without losing pixels: 1 x 1 convolutions of every other pixel, and of those in between."""
        x = self.act(x)
        shifted = jnp.pad(x[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)))
        even = self.conv(self.features // 2, 1, 2, name="halve_even")(x)
        odd = self.conv(self.features // 2, 1, 2, name="halve_odd")(shifted)
        return self.norm(name="halve_bn")(jnp.concatenate([even, odd], axis=-1))


class AuxiliaryClassifier(nn.Module):
    """Logits from two thirds of the depth, (N, H, W, C) -> (N, num_classes) (Appendix A.4)."""

    num_classes: int
    conv: ModuleDef
    norm: ModuleDef
    act: layers.Activation
    scale: Callable[[int], int]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = self.act(x)
        x = layers.avg_pool(x, (min(5, x.shape[1]), min(5, x.shape[2])), 3)  # maps of small images are smaller
        x = self.act(self.norm(name="bn1")(self.conv(self.scale(128), 1, name="conv1")(x)))
        x = self.act(self.norm(name="bn2")(self.conv(self.scale(768), x.shape[1:3], name="conv2")(x)))
        return nn.Dense(self.num_classes, dtype=layers.logits_dtype(x), name="fc")(x[:, 0, 0])


class NASNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 331, 331, 3), or 224 for the mobile network, to logits (N, num_classes).

    The auxiliary classifier's logits go to the collection "aux_logits", as "stage2", where that is mutable; otherwise
    they are not computed.

    Attributes:
      depths: Cells in each of the three stages; the first one of the second and third stage is a reduction cell.
      features: Channels of an operation in the first stage; every stage doubles them.
      stem_features: Channels of the first convolution.
      normal: Plan of the normal cells.
      reduction: Plan of the reduction cells.
      skip_reduction: Whether the cell after a reduction takes, as the earlier of its inputs, the one before the
        reduction's own input.
      count_padding: Whether average pools with stride 2 count padding as zeros.
      aux_heads: Whether there is an auxiliary classifier.
      drop_path: Rate at which training drops operations in the last cell; it rises from 0 with depth.
    """

    depths: tuple[int, int, int]
    features: int
    stem_features: int
    normal: Plan = NORMAL_A
    reduction: Plan = REDUCTION_A
    skip_reduction: bool = False
    count_padding: bool = False
    aux_heads: bool = False
    dropout: float = 0.5
    drop_path: float = 0.0

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train, epsilon=1e-3)

        x = conv(scale(self.stem_features), 3, 2, name="conv1")(images)
        outputs = [self.endpoint("conv1", norm(name="bn1")(x))]  # N x 165, or 111

        def add_cell(name: str, features: int, *, reduces: bool, skip: bool = False) -> None:
            previous = None if len(outputs) == 1 else outputs[-3 if skip else -2]
            operation = functools.partial(
                Operation,
                conv=conv,
                norm=norm,
                act=act,
                count_padding=self.count_padding,
                drop_path=self.drop_path * len(outputs) / (2 + sum(self.depths)),
                train=train,
            )
            plan, stride = (self.reduction, 2) if reduces else (self.normal, 1)
            cell = Cell(plan, scale(features), stride, conv, norm, act, operation, name=name)
            outputs.append(cell(outputs[-1], previous))

        for i in (1, 2):
            add_cell(f"stem_cell{i}", self.features * i // 4, reduces=True)
            self.endpoint(f"stem{i}", outputs[-1])  # N x 83 and 42, or 56 and 28
        for stage, depth in enumerate(self.depths, start=1):
            for i in range(1, depth + 1):
                add_cell(
                    f"stage{stage}_cell{i}",
                    self.features * 2 ** (stage - 1),
                    reduces=stage > 1 and i == 1,
                    skip=self.skip_reduction and stage > 1 and i == 2,
                )
            x = self.endpoint(f"stage{stage}", outputs[-1])  # N x 42, 21 and 11, or 28, 14 and 7
            if stage == 2 and self.aux_heads and self.auxiliary_wanted():
                head = AuxiliaryClassifier(self.num_classes, conv, norm, act, scale, name="aux_stage2")
                layers.endpoint(self, "stage2", head(x), "aux_logits")
        return act(x)


VARIANTS: dict[str, Callable[..., nn.Module]] = {
    "nasnet_a_mobile": functools.partial(NASNet, depths=(4, 5, 5), features=44, stem_features=32),
    "nasnet_a_large": functools.partial(
        NASNet, depths=(6, 7, 7), features=168, stem_features=96, skip_reduction=True, count_padding=True
    ),
}
