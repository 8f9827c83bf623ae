"""Every network computes what its peer computes, from the same weights.

Deep networks with drawn weights and drawn running statistics hardly look at the image, so networks are compared in
training mode, where batch statistics normalise, and in evaluation mode with measured statistics.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cnn_evolution as ce
from cnn_evolution.weights.conversion import correspondence, from_torch, to_torch
from tests.weights import drawn
from tests.weights.peers import CLASSES, GOLDEN, PEERS

TOLERANCE = 1e-4  # relative to the largest value

every_peer = pytest.mark.parametrize("name", PEERS)
thorough = pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.thorough])


@functools.cache
def golden(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


def options(name: str) -> dict:
    """The peer's, with everything random left out."""
    fields = {field.name for field in dataclasses.fields(ce.create_model(name))}
    return {field: 0.0 for field in fields if "drop" in field} | PEERS[name].options


def weights(name: str) -> dict:
    peer = PEERS[name]
    leaves = correspondence(name, peer.source, num_classes=CLASSES, **peer.options)
    return from_torch(
        name,
        drawn.state_dict({leaf.key: leaf.torch_shape for leaf in leaves}),
        source=peer.source,
        num_classes=CLASSES,
        **peer.options,
    )


def images(name: str) -> np.ndarray:
    peer = PEERS[name]
    return drawn.images(peer.size or ce.model_info(name).input_size, peer.images)


def forward(name: str, variables: dict, x: jax.Array) -> tuple[list[jax.Array], dict]:
    """All heads' logits in training mode, and the updated running statistics."""
    model = ce.create_model(name, num_classes=CLASSES, **options(name))
    logits, state = model.apply(variables, x, train=True, mutable=["batch_stats", "aux_logits"])
    return [logits, *state.get("aux_logits", {}).values()], state.get("batch_stats", {})


@functools.lru_cache(maxsize=1)
def trained(name: str) -> tuple[dict, list[np.ndarray], dict]:
    variables = weights(name)
    outputs, statistics = jax.jit(functools.partial(forward, name))(variables, images(name))
    return variables, jax.device_get(outputs), jax.device_get(statistics)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@every_peer
def test_parameters_and_multiply_accumulates_are_the_peers(name):
    spec = ce.model_info(name)
    assert (spec.params + spec.aux_params, spec.macs) == (golden(name)["params"], golden(name)["macs"])


@every_peer
def test_training_forward_is_the_peers(name):
    variables, outputs, statistics = trained(name)
    theirs = [golden(name)[f"train_{i}"] for i in range(len(outputs))]
    assert f"train_{len(outputs)}" not in golden(name)
    assert [difference(a, b) for a, b in zip(outputs, theirs, strict=True)] < [TOLERANCE] * len(outputs)

    expected = {key.removeprefix("statistics/"): x for key, x in golden(name).items() if key.startswith("statistics/")}
    peer = PEERS[name]
    found = to_torch(
        name, variables | {"batch_stats": statistics} if statistics else variables, source=peer.source, **peer.options
    )
    assert {key for key in found if "running_" in key} == set(expected)
    for key, value in expected.items():
        scale = np.sqrt(expected[key.replace("_mean", "_var")]) if key.endswith("_mean") else value
        assert (np.abs(drawn.sample(found[key], 4) - value) <= TOLERANCE * scale).all(), key


@thorough
def test_evaluation_with_measured_statistics_is_the_peers(name):
    variables, _, statistics = trained(name)
    if statistics:
        momentum = golden(name)["momentum"]
        variables = variables | {"batch_stats": jax.tree.map(lambda x: x / momentum, statistics)}
    model = ce.create_model(name, num_classes=CLASSES, **options(name))
    logits = jax.jit(model.apply)(variables, images(name))
    assert difference(logits, golden(name)["evaluation"]) < TOLERANCE


@thorough
def test_gradients_of_the_first_and_last_kernels_are_the_peers(name):
    peer, variables = PEERS[name], weights(name)

    def loss(params: dict) -> jax.Array:
        outputs, _ = forward(name, variables | {"params": params}, images(name))
        labels = jnp.arange(peer.images) % CLASSES
        return sum(optax.softmax_cross_entropy_with_integer_labels(x, labels).mean() for x in outputs)

    gradient = {**variables, "params": jax.jit(jax.grad(loss))(variables["params"])}
    found = to_torch(name, gradient, source=peer.source, **peer.options)
    expected = {key.removeprefix("gradient/"): x for key, x in golden(name).items() if key.startswith("gradient/")}
    assert {key: d for key, x in expected.items() if (d := difference(drawn.sample(found[key]), x)) > TOLERANCE} == {}
    assert len(expected) == 2
