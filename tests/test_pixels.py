"""What a network sees of an image."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.pixels import normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_normalise_is_zero_at_the_mean_and_one_a_deviation_above():
    image = jnp.stack([jnp.full((2, 2, 3), jnp.array(MEAN)), jnp.full((2, 2, 3), jnp.array(MEAN) + jnp.array(STD))])
    np.testing.assert_allclose(normalise(image, MEAN, STD)[0], 0, atol=1e-6)
    np.testing.assert_allclose(normalise(image, MEAN, STD)[1], 1, atol=1e-6)


def test_normalise_takes_uint8_as_255ths():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    expected = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(normalise(jnp.asarray(pixels), MEAN, STD), expected, atol=1e-5)


def test_normalise_rounds_only_at_the_end():
    pixels = jnp.arange(48, dtype=jnp.uint8).reshape(1, 4, 4, 3)
    half = normalise(pixels, MEAN, STD, jnp.bfloat16)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_array_equal(half, normalise(pixels, MEAN, STD).astype(jnp.bfloat16))


def test_wrong_images_are_named():
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\), got \(4, 4, 3\)"):
        normalise(jnp.zeros((4, 4, 3)), MEAN, STD)
    with pytest.raises(TypeError, match="int32"):
        normalise(jnp.zeros((1, 4, 4, 3), jnp.int32), MEAN, STD)
