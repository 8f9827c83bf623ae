"""Colour noise, label smoothing, mixup and cutmix on whole batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.training.augment import (
    RGB_COMPONENTS,
    RGB_VARIANCES,
    cutmix,
    mixup,
    one_hot_smoothed,
    pca_colour_noise,
)

CLASSES = 7
few = settings(deadline=None, max_examples=20, derandomize=True)
seeds = st.integers(0, 2**31 - 1)
alphas = st.sampled_from([0.2, 1.0, 4.0])
batches = st.lists(st.integers(-1, CLASSES - 1), min_size=6, max_size=6)  # one size: one compilation


def uniform(seed, n=6, height=9, width=12):
    return jax.random.uniform(jax.random.key(seed), (n, height, width, 3))


def plain(n=6, height=9, width=12):
    """Image i has the value i everywhere, so its share in a mixture can be read from the pixels."""
    return jnp.broadcast_to(jnp.arange(n, dtype=jnp.float32)[:, None, None, None], (n, height, width, 3))


def test_images_of_another_shape_or_type_are_named():
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\), got \(4, 4, 3\)"):
        pca_colour_noise(jax.random.key(0), jnp.zeros((4, 4, 3)))
    with pytest.raises(TypeError, match="int32"):
        pca_colour_noise(jax.random.key(0), jnp.zeros((1, 4, 4, 3), jnp.int32))


# PCA colour noise


def test_rgb_components_are_orthonormal():
    components = np.array(RGB_COMPONENTS)
    np.testing.assert_allclose(components.T @ components, np.eye(3), atol=1e-3)


@few
@given(seed=seeds)
def test_colour_noise_is_one_shift_per_image(seed):
    images = uniform(seed)
    shift = pca_colour_noise(jax.random.key(seed), images) - images
    np.testing.assert_allclose(shift, jnp.broadcast_to(shift[:, :1, :1], shift.shape), atol=1e-6)
    assert len(np.unique(np.round(shift[:, 0, 0, 0], 7))) == len(images)


def test_colour_noise_has_zero_mean_and_the_published_spread():
    grey = jnp.full((20_000, 1, 1, 3), 0.5)
    shift = pca_colour_noise(jax.random.key(0), grey, sigma=0.1)[:, 0, 0] - 0.5
    along = shift @ jnp.array(RGB_COMPONENTS)
    np.testing.assert_allclose(shift.mean(0), 0, atol=5e-4)
    np.testing.assert_allclose(along.std(0), 0.1 * np.array(RGB_VARIANCES), rtol=0.03)


def test_colour_noise_without_sigma_changes_nothing():
    pixels = jnp.arange(48, dtype=jnp.uint8).reshape(1, 4, 4, 3)
    np.testing.assert_allclose(pca_colour_noise(jax.random.key(0), pixels, sigma=0.0), pixels / 255, rtol=1e-6)


# targets


def test_smoothing_spreads_over_all_classes():
    row = one_hot_smoothed(jnp.array([1]), 4, 0.1)[0]
    np.testing.assert_allclose(row, [0.025, 0.925, 0.025, 0.025], rtol=1e-6)


@few
@given(labels=batches, smoothing=st.sampled_from([0.0, 0.1, 0.5]))
def test_target_rows_sum_to_one_and_absent_rows_to_zero(labels, smoothing):
    targets = one_hot_smoothed(jnp.array(labels), CLASSES, smoothing)
    np.testing.assert_allclose(targets.sum(-1), np.array(labels) >= 0, atol=1e-6)
    assert not targets[np.array(labels) < 0].any()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_outside_its_range_is_named(smoothing):
    with pytest.raises(ValueError, match=f"got {smoothing}"):
        one_hot_smoothed(jnp.array([0]), 3, smoothing)


# mixup and cutmix

both = pytest.mark.parametrize("mix", [mixup, cutmix])


@both
@few
@given(seed=seeds, labels=batches, alpha=alphas)
def test_mixing_keeps_every_row_s_weight(mix, seed, labels, alpha):
    targets = one_hot_smoothed(jnp.array(labels), CLASSES, 0.1)
    _, mixed = mix(jax.random.key(seed), uniform(seed), targets, alpha)
    np.testing.assert_allclose(mixed.sum(-1), targets.sum(-1), atol=1e-6)
    assert (mixed >= 0).all()


@both
@few
@given(seed=seeds, labels=batches, alpha=alphas)
def test_absent_rows_enter_no_mixture(mix, seed, labels, alpha):
    present = np.array(labels) >= 0
    alone = ~(present & present[::-1])
    images, targets = uniform(seed), one_hot_smoothed(jnp.array(labels), CLASSES)
    mixed_images, mixed_targets = mix(jax.random.key(seed), images, targets, alpha)
    np.testing.assert_array_equal(mixed_images[alone], images[alone])
    np.testing.assert_array_equal(mixed_targets[alone], targets[alone])


@both
@few
@given(seed=seeds, alpha=alphas)
def test_pixels_lie_between_the_two_images(mix, seed, alpha):
    images, targets = uniform(seed), one_hot_smoothed(jnp.arange(6), CLASSES)
    mixed, _ = mix(jax.random.key(seed), images, targets, alpha)
    assert (mixed >= jnp.minimum(images, images[::-1]) - 1e-6).all()
    assert (mixed <= jnp.maximum(images, images[::-1]) + 1e-6).all()


@both
@few
@given(seed=seeds, alpha=alphas)
def test_targets_are_mixed_by_the_share_of_the_pixels(mix, seed, alpha):
    """Row i is the constant i, so the mean of the mixed pixels is the mean of i and its partner by their shares."""
    mixed, targets = mix(jax.random.key(seed), plain(), one_hot_smoothed(jnp.arange(6), 6), alpha)
    np.testing.assert_allclose(mixed.mean((1, 2, 3)), targets @ jnp.arange(6.0), atol=1e-4)


@few
@given(seed=seeds, alpha=alphas)
def test_cutmix_pastes_one_rectangle(seed, alpha):
    mixed, _ = cutmix(jax.random.key(seed), plain(), one_hot_smoothed(jnp.arange(6), 6), alpha)
    for row, pixels in enumerate(np.asarray(mixed[..., 0])):
        pasted = pixels != row
        assert set(np.unique(pixels)) <= {row, 5 - row}
        rows, columns = pasted.any(1), pasted.any(0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns[None, :])
        assert np.diff(np.flatnonzero(rows)).max(initial=1) == 1
        assert np.diff(np.flatnonzero(columns)).max(initial=1) == 1


def test_cutmix_boxes_have_the_area_of_uniform_boxes_clipped_at_the_border():
    """With alpha = 1 a box of relative area u ~ U(0, 1) keeps (sqrt(u) - u / 4)^2 of it: 77 / 240 on average."""
    n = 2000
    targets = jax.nn.one_hot(jnp.arange(n) // (n // 2), 2)
    _, mixed = cutmix(jax.random.key(0), jnp.zeros((n, 64, 64, 1)), targets, 1.0)
    np.testing.assert_allclose(1 - mixed[: n // 2, 0].mean(), 77 / 240, atol=0.03)


def test_mixup_shares_follow_the_beta_distribution():
    n = 4000
    targets = jax.nn.one_hot(jnp.arange(n) // (n // 2), 2)
    own = {a: mixup(jax.random.key(0), jnp.zeros((n, 1, 1, 3)), targets, a)[1][: n // 2, 0] for a in (0.2, 1.0)}
    for alpha, share in own.items():
        np.testing.assert_allclose(share.mean(), 0.5, atol=0.03)
        np.testing.assert_allclose(share.var(), 1 / (4 * (2 * alpha + 1)), rtol=0.1)


@both
def test_the_middle_of_an_odd_batch_stays(mix):
    images, targets = uniform(0, n=5), one_hot_smoothed(jnp.arange(5), CLASSES)
    mixed_images, mixed_targets = mix(jax.random.key(0), images, targets, 1.0)
    np.testing.assert_allclose(mixed_images[2], images[2], atol=1e-6)
    np.testing.assert_allclose(mixed_targets[2], targets[2], atol=1e-6)


@both
def test_types_stay(mix):
    images, targets = uniform(0).astype(jnp.bfloat16), one_hot_smoothed(jnp.arange(6), CLASSES)
    mixed_images, mixed_targets = mix(jax.random.key(0), images, targets, 1.0)
    assert (mixed_images.dtype, mixed_targets.dtype) == (jnp.bfloat16, jnp.float32)


@pytest.mark.parametrize(
    "augment",
    [
        lambda key, images, targets: pca_colour_noise(key, images),
        lambda key, images, targets: mixup(key, images, targets, 0.2),
        lambda key, images, targets: cutmix(key, images, targets, 1.0),
    ],
    ids=["pca_colour_noise", "mixup", "cutmix"],
)
def test_the_key_decides_traced_or_not(augment):
    images, targets = uniform(0), one_hot_smoothed(jnp.arange(6), CLASSES)
    first, again, other = (augment(jax.random.key(seed), images, targets) for seed in (1, 1, 2))
    traced = jax.jit(augment)(jax.random.key(1), images, targets)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), first, traced)
    assert not np.array_equal(jax.tree.leaves(first)[0], jax.tree.leaves(other)[0])


@both
def test_bad_arguments_are_named(mix):
    images, targets = uniform(0), one_hot_smoothed(jnp.arange(6), CLASSES)
    with pytest.raises(ValueError, match=r"alpha must be positive, got 0\.0"):
        mix(jax.random.key(0), images, targets, 0.0)
    with pytest.raises(ValueError, match="6 images but 5 rows"):
        mix(jax.random.key(0), images, targets[:5], 1.0)


def test_mixup_refuses_integer_images():
    with pytest.raises(TypeError, match="uint8: normalise them first"):
        mixup(jax.random.key(0), jnp.zeros((2, 4, 4, 3), jnp.uint8), jnp.eye(2), 1.0)
