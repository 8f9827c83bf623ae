"""What all networks share: their options, the head over their last map, and where they end."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution.layers.endpoints import endpoint, wanted
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.layers.pooling import global_avg_pool

Activation = Callable[[Array], Array]
Norm = Callable[..., nn.Module]


class _Reached(Exception):
    """Carries the value of the endpoint at which a network ends from there to the network's call."""


def logits_dtype(x: Array) -> Any:
    """What classifiers compute in: the type of their input, but at least float32."""
    return jnp.promote_types(x.dtype, jnp.float32)


class Network(nn.Module, kw_only=True):
    """Images (N, H, W, 3) to logits (N, num_classes): a backbone, and a head over its last map.

    The base of every family, and of networks of one's own. A family defines `backbone`, in which
    `x = self.endpoint("stage1", x)` names a map, and overrides `pre_logits` and `classifier` where its head differs.

    Attributes:
      num_classes: Size of the last layer; 0 leaves it out, and the pre-logits (N, C) come back, or the global means of
        pre-logits that are a map.
      width: Factor on every number of channels; 1 is the published network.
      dropout: Share of the classifier's inputs that training drops.
      act: A function such as `nn.silu` in place of every nonlinearity but gates: of ReLU, ReLU6, swish, h-swish and
        GELU. None keeps the published ones.
      until: Endpoint at which the network ends: its value comes back, and nothing after it is built. None for the
        whole network.
      dtype: What the layers compute in; parameters and statistics stay float32, logits are so at least.

    Raises:
      ValueError: if `act` is no function; when called, if the network has no endpoint of the name `until`.
    """

    num_classes: int = 1000
    width: float = 1.0
    dropout: float = 0.0
    act: Activation | None = None
    until: str | None = None
    dtype: Any = jnp.float32

    def __init_subclass__(cls, **options: Any) -> None:
        # Flax gives every wrapped method a scope of its own; without, layers have the paths of their parameters.
        for hook in ("backbone", "pre_logits", "classifier"):
            if hook in vars(cls):
                nn.nowrap(vars(cls)[hook])
        super().__init_subclass__(**options)

    def __post_init__(self) -> None:
        if self.act is not None and not callable(self.act):
            raise ValueError(f"act is {self.act!r}; expected a function of an array, such as flax.linen.silu")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Array, *, train: bool = False) -> Array:
        try:
            x = self.backbone(images, train)
            x = self.endpoint("pre_logits", self.pre_logits(x, train))
        except _Reached as reached:
            return reached.args[0]
        if self.until is not None:
            raise ValueError(f"until is {self.until!r}; expected the name of an endpoint of {type(self).__name__}")
        if self.num_classes:
            return self.classifier(x)
        return x if x.ndim == 2 else global_avg_pool(x)

    @nn.nowrap
    def backbone(self, images: Array, train: bool) -> Array:
        """Images (N, H, W, 3) to the last map (N, H', W', C)."""
        raise NotImplementedError(f"{type(self).__name__} has no backbone")

    @nn.nowrap
    def pre_logits(self, x: Array, train: bool) -> Array:
        """The last map (N, H, W, C) to what the classifier sees: its global mean (N, C), with dropout."""
        return nn.Dropout(self.dropout, deterministic=not train, name="dropout")(global_avg_pool(x))

    @nn.nowrap
    def classifier(self, x: Array) -> Array:
        """The pre-logits (N, C) to logits (N, num_classes)."""
        return nn.Dense(self.num_classes, dtype=logits_dtype(x), name="fc")(x)

    @nn.nowrap
    def endpoint(self, name: str, x: Array) -> Array:
        """Returns `x`, and stores it as `layers.endpoint` does; the network ends here if this is its `until`."""
        endpoint(self, name, x)
        if name == self.until:
            raise _Reached(x)
        return x

    @nn.nowrap
    def auxiliary_wanted(self) -> bool:
        """Whether auxiliary classifiers are built: for their logits, or for their parameters in `init`."""
        if not self.num_classes or self.until is not None:
            return False
        return self.is_initializing() or wanted(self, "aux_logits")


class NormalisedNetwork(Network, kw_only=True):
    """A network with batch normalisation, or with another normalisation in its place.

    Attributes:
      norm: Replaces every batch normalisation. `norm(train=, dtype=, name=)` makes a module that maps (N, H, W, C) to
        the same: `layers.group_norm(32)`, say, or `layers.frozen_batch_norm`. Subclasses of `layers.BatchNorm` get the
        network's `epsilon`, `momentum`, `scale_init` and `axis_name` as well, because what they compute depends on
        them. What a `functools.partial` states already stays. None for batch normalisation.
      axis_name: Mapped axis over which batch statistics are averaged.

    Raises:
      ValueError: if `norm` cannot be called so.
    """

    norm: Norm | None = None
    axis_name: str | None = None

    def __post_init__(self) -> None:
        if self.norm is not None:
            check_norm(self.norm)
        super().__post_init__()

    @nn.nowrap
    def norm_layer(self, train: bool, **options: Any) -> Norm:
        """Makes the network's normalisations, called `norm(name=...)`; `options` are those of `BatchNorm`."""
        norm: Norm = BatchNorm if self.norm is None else self.norm
        given = {"train": train, "dtype": self.dtype}
        if is_batch_norm(norm):
            given |= {"axis_name": self.axis_name} | options
        stated = norm.keywords if isinstance(norm, functools.partial) else {}
        return functools.partial(norm, **{key: value for key, value in given.items() if key not in stated})


class OptionallyNormalisedNetwork(NormalisedNetwork, kw_only=True):
    """A network published without batch normalisation, with a form that has it.

    Attributes:
      batch_norm: Whether batch normalisation follows every convolution.

    Raises:
      ValueError: if there is a `norm`, but no batch normalisation that it could replace.
    """

    batch_norm: bool = False

    def __post_init__(self) -> None:
        if self.norm is not None and not self.batch_norm:
            raise ValueError(
                f"norm is {self.norm!r}, but there is no batch normalisation to replace; expected batch_norm=True"
            )
        super().__post_init__()


def is_batch_norm(norm: Norm | None) -> bool:
    """Whether `norm` makes batch normalisations: None, `BatchNorm`, a subclass, or a partial of one."""
    made = norm.func if isinstance(norm, functools.partial) else norm
    return made is None or (isinstance(made, type) and issubclass(made, BatchNorm))


def check_norm(norm: Any) -> None:
    """Raises ValueError if `norm` does not take what networks call it with."""
    expected = "expected a function of train, dtype and name, such as layers.group_norm(32) or layers.frozen_batch_norm"
    if not callable(norm):
        raise ValueError(f"norm is {norm!r}; {expected}")
    stated = norm.keywords if isinstance(norm, functools.partial) else {}
    try:
        inspect.signature(norm).bind(**{"train": False, "dtype": jnp.float32, "name": "bn"} | stated)
    except (TypeError, ValueError) as error:  # ValueError: some builtins have no signature
        raise ValueError(f"norm is {norm!r}: {error}; {expected}") from error
