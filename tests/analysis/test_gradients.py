"""Gradient norms by layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.analysis.gradients import gradient_norms

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((2, 6, 4, 4, 3), np.float32)
LABELS = RNG.integers(0, 5, (2, 6))
BATCHES = list(zip(IMAGES, LABELS, strict=True))


class Linear(nn.Module):
    """Logits that are linear in the pixels, so that the gradient is known in closed form."""

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Dense(5, name="fc")(images.reshape(len(images), -1))


LINEAR = {
    "params": {
        "fc": {"kernel": RNG.standard_normal((48, 5), np.float32), "bias": RNG.standard_normal(5).astype(np.float32)}
    }
}


def linear_norm(images, labels):
    """|x^T (p - y)| / N."""
    x = images.reshape(len(images), -1)
    p = jax.nn.softmax(x @ LINEAR["params"]["fc"]["kernel"] + LINEAR["params"]["fc"]["bias"])
    return np.linalg.norm(x.T @ (p - np.eye(5)[labels])) / len(images)


def test_the_norm_is_that_of_the_mean_cross_entropys_gradient():
    assert gradient_norms(Linear(), LINEAR, BATCHES[:1]) == {
        "fc": pytest.approx(linear_norm(*BATCHES[0]), rel=1e-5),
    }


def test_norms_are_averaged_over_batches():
    expected = np.mean([linear_norm(*batch) for batch in BATCHES])
    assert gradient_norms(Linear(), LINEAR, iter(BATCHES))["fc"] == pytest.approx(expected, rel=1e-5)


def test_other_weights_of_the_same_network_have_other_norms():
    zeros = jax.tree.map(np.zeros_like, LINEAR)
    assert gradient_norms(Linear(), zeros, BATCHES) != gradient_norms(Linear(), LINEAR, BATCHES)


class Deep(nn.Module):
    """Layers whose names are not in the order of the alphabet, with normalisation and dropout between them."""

    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Conv(4, (3, 3), name="z")(images)
        x = nn.BatchNorm(use_running_average=not train, name="y")(x)
        x = nn.Conv(4, (3, 3), name="x")(nn.relu(x)).mean((1, 2))
        return nn.Dense(5, name="a")(nn.Dropout(0.5, deterministic=not train)(x))


@pytest.fixture(scope="module")
def deep():
    shapes = jax.eval_shape(Deep().init, jax.random.key(0), IMAGES[0])
    return jax.tree.map(lambda leaf: RNG.standard_normal(leaf.shape, np.float32), shapes)


def test_every_kernel_has_a_norm_from_the_first_layer_to_the_last_and_nothing_else_has(deep):
    norms = gradient_norms(Deep(), deep, BATCHES)
    assert list(norms) == ["z", "x", "a"]
    assert all(type(norm) is float and norm > 0 for norm in norms.values())


def test_networks_are_in_training_mode_so_running_statistics_do_not_matter(deep):
    far = {**deep, "batch_stats": jax.tree.map(lambda x: x + 100, deep["batch_stats"])}
    assert gradient_norms(Deep(), far, BATCHES) == gradient_norms(Deep(), deep, BATCHES)


def test_variables_stay_as_they_are(deep):
    before = jax.tree.map(np.array, deep)
    gradient_norms(Deep(), deep, BATCHES)
    assert jax.tree.all(jax.tree.map(np.array_equal, before, deep))


def test_layers_of_blocks_go_by_their_paths():
    model = ce.create_model("cifar_resnet20", depths=(1,), features=(8,), stem=((8, 3),), input_size=8)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, np.float32), shapes)
    batch = RNG.standard_normal((4, 8, 8, 3), np.float32), np.arange(4)
    assert list(gradient_norms(model, variables, [batch])) == [
        "conv1",
        "stage1_block1/conv1",
        "stage1_block1/conv2",
        "fc",
    ]


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="there is no batch to compute gradients of; expected at least one"):
        gradient_norms(Linear(), LINEAR, [])
