"""Conversion of networks that are not as published: narrow ones, and those that end early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from tests.tiers import exhaustive


def drawn(model, size):
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    random = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: random.standard_normal(leaf.shape, np.float32), shapes)


@pytest.mark.parametrize(
    "name, source, layer, key",
    [
        ("alexnet_owt", "torchvision", "fc6", "classifier.1.weight"),
        ("zfnet", "pytorchcv", "fc6", "output.fc1.fc.weight"),
        ("vgg11", "torchvision", "fc6", "classifier.0.weight"),
    ],
)
@pytest.mark.parametrize("width", [0.25, pytest.param(1.5, marks=exhaustive)])
def test_a_layer_after_a_flattened_map_of_any_width_sees_the_channels_first_in_torch(name, source, layer, key, width):
    size = ce.model_info(name).input_size
    model = ce.create_model(name, width=width)
    variables = drawn(model, size)
    *_, side, _, channels = ce.cost(model, size).layers[-4].output  # of the last pool, before three such layers
    tensors = ce.to_torch(name, variables, source=source, width=width)
    kernel = variables["params"][layer]["kernel"].reshape(side, side, channels, -1)
    np.testing.assert_array_equal(tensors[key].reshape(-1, channels, side, side), kernel.transpose(3, 2, 0, 1))
    back = ce.from_torch(name, tensors, source=source, width=width)
    jax.tree.map(np.testing.assert_array_equal, back, variables)


def test_a_network_that_ends_early_is_converted_as_far_as_it_goes():
    model = ce.create_model("resnet18", until="stage2", width=0.25)
    variables = drawn(model, 64)
    tensors = ce.to_torch("resnet18", variables, until="stage2", width=0.25)
    assert "layer2.1.bn2.weight" in tensors and not any(key.startswith(("layer3", "fc")) for key in tensors)
    back = ce.from_torch("resnet18", tensors, until="stage2", width=0.25)
    jax.tree.map(np.testing.assert_array_equal, back, variables)
