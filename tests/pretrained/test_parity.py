"""Every network computes what its peer computes, from the same weights.

Deep networks with drawn weights and drawn running statistics hardly look at the image, so networks are compared in
training mode, where batch statistics normalise, and in evaluation mode with measured statistics.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution.pretrained.conversion import ANY_CLASSES, Leaf, correspondence, from_torch, to_torch
from tests.pretrained import drawn
from tests.pretrained.peers import CLASSES, EXACT, GOLDEN, PEERS, TOLERANCE
from tests.tiers import tiered

# Run operation by operation: few differ among all residual networks, and each is compiled once.
RESIDUAL = re.compile("^(cifar_|pre|wide_|se_)?resne[tx]|plain|wrn|senet154")
NAMES = sorted(PEERS, key=lambda name: bool(RESIDUAL.search(name)))  # one after the other, for what they share


@functools.cache
def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


# The scope puts all tests of a network next to each other, so that they share its forward pass.
every_peer = pytest.mark.parametrize("name", tiered(NAMES), scope="module")
thorough = pytest.mark.parametrize(
    "name",
    tiered([name for name in NAMES if PEERS[name].thorough], ("resnet18", "squeezenet1_1")),
    scope="module",
)


def options(name: str) -> dict:
    """The peer's, with everything random left out."""
    fields = {field.name for field in dataclasses.fields(ce.create_model(name))}
    return {field: 0.0 for field in fields if "drop" in field} | PEERS[name].options


@functools.cache
def leaves(name: str) -> list[Leaf]:
    peer = PEERS[name]
    return [
        dataclasses.replace(leaf, shape=tuple(CLASSES if n == ANY_CLASSES else n for n in leaf.shape))
        for leaf in correspondence(name, peer.source, **peer.options)
    ]


@functools.lru_cache(maxsize=1)
def weights(name: str) -> dict:
    state_dict = drawn.state_dict({leaf.key: leaf.torch_shape for leaf in leaves(name)})
    return from_torch(name, state_dict, source=PEERS[name].source, **PEERS[name].options)


def images(name: str) -> np.ndarray:
    peer = PEERS[name]
    return drawn.images(peer.size or ce.model_info(name).input_size, peer.images)


def forward(name: str, variables: dict, x: jax.Array, **kwargs) -> tuple[list[jax.Array], dict]:
    """All heads' logits in training mode, and the updated running statistics."""
    model = ce.create_model(name, num_classes=CLASSES, **options(name), **kwargs)
    logits, state = model.apply(variables, x, train=True, mutable=["batch_stats", "aux_logits"])
    return [logits, *state.get("aux_logits", {}).values()], state.get("batch_stats", {})


@functools.lru_cache(maxsize=1)
def trained(name: str) -> tuple[list[np.ndarray], dict]:
    """In float32, or in float64 where torch's own float32 is not precise."""
    dtype = np.float32 if golden(name)["precise"] else np.float64
    run = functools.partial(forward, name, dtype=dtype)
    with jax.enable_x64(dtype == np.float64):
        inputs = jax.tree.map(dtype, (weights(name), images(name)))
        if not RESIDUAL.search(name):  # compiled ahead, it is not kept: all networks would take many gigabytes
            run = jax.jit(run).lower(*inputs).compile()
        return jax.device_get(run(*inputs))


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("name", PEERS)
def test_parameters_and_multiply_accumulates_are_the_peers(name):
    spec = ce.model_info(name)
    assert (spec.params + spec.aux_params, spec.macs) == (golden(name)["params"], golden(name)["macs"])


@every_peer
def test_training_forward_is_the_peers(name):
    outputs, _ = trained(name)
    theirs = [golden(name)[f"train_{i}"] for i in range(len(outputs))]
    assert f"train_{len(outputs)}" not in golden(name)
    assert max(difference(a, b) for a, b in zip(outputs, theirs, strict=True)) < TOLERANCE


@every_peer
def test_updated_running_statistics_are_the_peers(name):
    flat = traverse_util.flatten_dict({"batch_stats": trained(name)[1]})
    found = {leaf.key: flat[leaf.path] for leaf in leaves(name) if leaf.path in flat}
    assert len(found) == len(flat)
    means, variances = (
        drawn.samples({key: value for key, value in found.items() if key.endswith(f"running_{kind}")})
        for kind in ("mean", "var")
    )
    theirs = golden(name)["statistics"]
    expected_means, expected_variances = theirs[::2], theirs[1::2]  # a layer's mean comes before its var
    assert means.shape == expected_means.shape
    assert (np.abs(means - expected_means) <= TOLERANCE * np.sqrt(expected_variances)).all()
    assert (np.abs(variances - expected_variances) <= TOLERANCE * expected_variances).all()


@functools.lru_cache(maxsize=1)
def trained_exactly(name: str) -> tuple[dict, dict]:
    """The gradients of the first and last kernel by their paths, and the updated running statistics, in float64.

    In float32 rounding turns some ReLUs on or off, where gradients are not continuous, and in evaluation mode the
    statistics of a few images amplify it.
    """
    with jax.enable_x64(True):
        variables, x = jax.tree.map(np.float64, (weights(name), images(name)))
        flat = traverse_util.flatten_dict(variables)

        def loss(kernels: dict, others: dict, x: jax.Array) -> tuple[jax.Array, dict]:
            outputs, statistics = forward(name, traverse_util.unflatten_dict(others | kernels), x, dtype=jnp.float64)
            labels = jnp.arange(len(x)) % CLASSES
            return sum(optax.softmax_cross_entropy_with_integer_labels(y, labels).mean() for y in outputs), statistics

        kernels = {leaf.path: flat[leaf.path] for leaf in leaves(name) if f"gradient/{leaf.key}" in golden(name)}
        others = {path: array for path, array in flat.items() if path not in kernels}
        return jax.device_get(jax.jit(jax.grad(loss, has_aux=True))(kernels, others, x))


@thorough
def test_evaluation_with_measured_statistics_is_the_peers(name):
    _, statistics = trained_exactly(name)
    model = ce.create_model(name, num_classes=CLASSES, dtype=jnp.float64, **options(name))
    with jax.enable_x64(True):
        variables, x = jax.tree.map(np.float64, (weights(name), images(name)))
        measured = jax.tree.map(lambda x: x / golden(name)["momentum"], statistics)
        logits = jax.jit(model.apply)(variables | {"batch_stats": measured}, x)
    assert difference(logits, golden(name)["evaluation"]) < EXACT


@thorough
def test_gradients_of_the_first_and_last_kernels_are_the_peers(name):
    expected = {key.removeprefix("gradient/"): x for key, x in golden(name).items() if key.startswith("gradient/")}
    assert len(expected) == 2
    flat = traverse_util.flatten_dict(weights(name)) | trained_exactly(name)[0]
    found = to_torch(name, traverse_util.unflatten_dict(flat), source=PEERS[name].source, **PEERS[name].options)
    assert {key: difference(drawn.sample(found[key]), x) for key, x in expected.items()} == pytest.approx(
        dict.fromkeys(expected, 0), abs=EXACT
    )
