"""Colour noise, mixup and CutMix on whole batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.training.augment import RGB_COMPONENTS, RGB_VARIANCES, ColourNoise, CutMix, Mixup, OneOf

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


def one_hot(labels):
    return jax.nn.one_hot(jnp.asarray(labels), CLASSES)


def pca_colour_noise(key, images, sigma=0.1):
    return ColourNoise(sigma)(key, {"image": images})["image"]


def mixed(kind, key, images, targets, alpha):
    """Images and targets of a mixed batch."""
    batch = kind(alpha)(key, {"image": images, "label": jnp.zeros(len(images)), "target": targets})
    return batch["image"], batch["target"]


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
    images = uniform(0)
    np.testing.assert_array_equal(pca_colour_noise(jax.random.key(0), images, sigma=0.0), images)


# mixup and cutmix

both = pytest.mark.parametrize("kind", [Mixup, CutMix])


@both
@few
@given(seed=seeds, labels=batches, alpha=alphas)
def test_mixing_keeps_every_row_s_weight(kind, seed, labels, alpha):
    targets = one_hot(labels)
    _, after = mixed(kind, jax.random.key(seed), uniform(seed), targets, alpha)
    np.testing.assert_allclose(after.sum(-1), targets.sum(-1), atol=1e-6)
    assert (after >= 0).all()


@both
@few
@given(seed=seeds, labels=batches, alpha=alphas)
def test_absent_rows_enter_no_mixture(kind, seed, labels, alpha):
    present = np.array(labels) >= 0
    alone = ~(present & present[::-1])
    images, targets = uniform(seed), one_hot(labels)
    mixed_images, mixed_targets = mixed(kind, jax.random.key(seed), images, targets, alpha)
    np.testing.assert_array_equal(mixed_images[alone], images[alone])
    np.testing.assert_array_equal(mixed_targets[alone], targets[alone])


@both
@few
@given(seed=seeds, alpha=alphas)
def test_pixels_lie_between_the_two_images(kind, seed, alpha):
    images, targets = uniform(seed), one_hot(range(6))
    after, _ = mixed(kind, jax.random.key(seed), images, targets, alpha)
    assert (after >= jnp.minimum(images, images[::-1]) - 1e-6).all()
    assert (after <= jnp.maximum(images, images[::-1]) + 1e-6).all()


@both
@few
@given(seed=seeds, alpha=alphas)
def test_targets_are_mixed_by_the_share_of_the_pixels(kind, seed, alpha):
    """Row i is the constant i, so the mean of the mixed pixels is the mean of i and its partner by their shares."""
    after, targets = mixed(kind, jax.random.key(seed), plain(), jax.nn.one_hot(jnp.arange(6), 6), alpha)
    np.testing.assert_allclose(after.mean((1, 2, 3)), targets @ jnp.arange(6.0), atol=1e-4)


@few
@given(seed=seeds, alpha=alphas)
def test_cutmix_pastes_one_rectangle(seed, alpha):
    after, _ = mixed(CutMix, jax.random.key(seed), plain(), jax.nn.one_hot(jnp.arange(6), 6), alpha)
    for row, pixels in enumerate(np.asarray(after[..., 0])):
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
    _, after = mixed(CutMix, jax.random.key(0), jnp.zeros((n, 64, 64, 1)), targets, 1.0)
    np.testing.assert_allclose(1 - after[: n // 2, 0].mean(), 77 / 240, atol=0.03)


def test_mixup_shares_follow_the_beta_distribution():
    n = 4000
    targets = jax.nn.one_hot(jnp.arange(n) // (n // 2), 2)
    own = {a: mixed(Mixup, jax.random.key(0), jnp.zeros((n, 1, 1, 3)), targets, a)[1][: n // 2, 0] for a in (0.2, 1.0)}
    for alpha, share in own.items():
        np.testing.assert_allclose(share.mean(), 0.5, atol=0.03)
        np.testing.assert_allclose(share.var(), 1 / (4 * (2 * alpha + 1)), rtol=0.1)


@both
def test_the_middle_of_an_odd_batch_stays(kind):
    images, targets = uniform(0, n=5), one_hot(range(5))
    mixed_images, mixed_targets = mixed(kind, jax.random.key(0), images, targets, 1.0)
    np.testing.assert_allclose(mixed_images[2], images[2], atol=1e-6)
    np.testing.assert_allclose(mixed_targets[2], targets[2], atol=1e-6)


def test_one_of_several_operations_is_drawn():
    images, targets = uniform(0), one_hot(range(6))
    batch = {"image": images, "label": jnp.arange(6), "target": targets}
    brighter, darker = (lambda key, batch, by=by: batch | {"image": batch["image"] * by} for by in (2.0, 0.5))
    keys = jax.random.split(jax.random.key(0), 40)
    ratios = [float((OneOf((brighter, darker))(key, batch)["image"] / images).mean()) for key in keys]
    assert {round(ratio, 3) for ratio in ratios} == {0.5, 2.0}
    assert 10 < sum(ratio > 1 for ratio in ratios) < 30


@pytest.mark.parametrize("operation", [ColourNoise(0.1), Mixup(0.2), CutMix(1.0)], ids=lambda o: type(o).__name__)
def test_the_key_decides_traced_or_not_and_equal_operations_are_equal(operation):
    batch = {"image": uniform(0), "label": jnp.arange(6), "target": one_hot(range(6))}
    first, again, other = (operation(jax.random.key(seed), batch) for seed in (1, 1, 2))
    traced = jax.jit(operation)(jax.random.key(1), batch)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), first, traced)
    assert not np.array_equal(first["image"], other["image"])
    assert operation == type(operation)(*vars(operation).values()) and hash(operation)


@both
def test_bad_arguments_are_named(kind):
    with pytest.raises(ValueError, match=r"alpha is 0\.0, expected a number above 0"):
        kind(0.0)
