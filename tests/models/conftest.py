"""What the tests of all families share: abstract evaluation, which costs no computing, and narrow networks."""

import dataclasses
import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.models import registry
from tests.networks import OWN


@dataclasses.dataclass(frozen=True)
class Trace:
    """What one image of `size` pixels meets in a network, from shapes alone."""

    model: nn.Module
    size: int
    variables: dict
    logits: jax.ShapeDtypeStruct
    endpoints: dict

    @functools.cached_property
    def macs(self) -> int:
        return ce.cost(self.model, self.size).macs

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every endpoint's shape without the batch."""
        return {name: x.shape[1:] for name, x in self.endpoints.items()}


def count(tree) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


@functools.cache
def _trace(model: nn.Module, size: int) -> Trace:
    """In one abstract run that makes the weights on the way, with XLA's own convolutions: a quarter of the time."""
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    with layers.plain_convolutions():
        logits, state = jax.eval_shape(
            lambda key, x: model.apply({}, x, rngs={"params": key}, mutable=True), jax.random.key(0), images
        )
    variables = {name: state[name] for name in ("params", "batch_stats") if name in state}
    return Trace(model, size, variables, logits, state["endpoints"])


@pytest.fixture(scope="session")
def trace() -> Callable[[nn.Module, int], Trace]:
    return _trace


@pytest.fixture(scope="session")
def published() -> Callable[[str], Trace]:
    """The trace of a network as published, at its published image size."""
    return lambda name: _trace(ce.create_model(name), ce.model_info(name).input_size)


@pytest.fixture(scope="session")
def parameters() -> Callable:
    return count


@pytest.fixture(scope="session")
def draw() -> Callable[[nn.Module, int], dict]:
    """Variables for images of some size, drawn by NumPy: initialising takes a second or more to compile."""

    def variables(model: nn.Module, size: int) -> dict:
        rng = np.random.default_rng(0)

        def value(path, leaf) -> np.ndarray:
            if path[-1].key == "kernel":
                return (rng.standard_normal(leaf.shape) * (2 / math.prod(leaf.shape[:-1])) ** 0.5).astype(np.float32)
            return np.full(leaf.shape, path[-1].key in {"scale", "var", "layer_scale"}, np.float32)

        return jax.tree_util.tree_map_with_path(value, _trace(model, size).variables)

    return variables


@pytest.fixture(scope="session")
def initialise() -> Callable[[nn.Module, int], dict]:
    """The parameters that a model starts from; this kind of key compiles in a third of the usual time."""

    def params(model: nn.Module, size: int) -> dict:
        return jax.jit(model.init)(jax.random.key(0, impl="rbg"), jnp.zeros((1, size, size, 3)))["params"]

    return params


@pytest.fixture(scope="session")
def called() -> Callable[..., dict[str, nn.Module]]:
    """Every module that images meet in a network, by path, as it was configured; from shapes alone."""

    def modules(model: nn.Module, size: int, *, train: bool = False) -> dict[str, nn.Module]:
        found = {}

        def record(call, args, kwargs, context):
            found["/".join(context.module.path)] = context.module
            return call(*args, **kwargs)

        keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        with nn.intercept_methods(record), layers.plain_convolutions():
            jax.eval_shape(
                lambda x: model.apply({}, x, train=train, rngs=keys, mutable=True),
                jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32),
            )
        return found

    return modules


@pytest.fixture
def register(monkeypatch):
    """`ce.register(ModelSpec(...))`, forgotten when the test ends."""
    monkeypatch.setattr(registry, "_SPECS", dict(registry._SPECS))
    return lambda **fields: ce.register(ce.ModelSpec(**{**OWN, **fields}))
