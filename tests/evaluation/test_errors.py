import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution.data import CenterCrop, evaluation_batches, open_source
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import ErrorCounts, count_errors, evaluate_errors
from cnn_evolution.pixels import Pixels

PIXELS = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.data())
def test_counts_equal_a_ranking_by_hand(data):
    n, classes = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    scores = rng.permuted(np.tile(np.arange(classes), (n, 1)), axis=1).astype(np.float32)
    labels = rng.integers(-1, classes, n)
    ranks = [int((row > row[label]).sum()) for row, label in zip(scores, labels, strict=True) if label >= 0]
    got = [int(count) for count in count_errors(jnp.asarray(scores), jnp.asarray(labels))]
    assert got == [len(ranks), sum(rank >= 1 for rank in ranks), sum(rank >= 5 for rank in ranks), 0]


def test_a_constant_answer_is_no_better_than_chance():
    labels = jnp.arange(100)
    assert [int(c) for c in count_errors(jnp.zeros((100, 100)), labels)] == [100, 99, 95, 0]


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_scores_that_are_no_numbers_are_wrong(value):
    scores = jnp.eye(4).at[1, 1].set(value).at[2, 0].set(value)
    assert [int(c) for c in count_errors(scores, jnp.array([0, 1, 2, -1]))] == [3, 2, 2, 2]


class Colours(nn.Module):
    """Ranks the classes by the mean colours of the image, differently for every `seed`."""

    seed: int

    @nn.compact
    def __call__(self, images, *, train=False):
        weights = jax.random.normal(jax.random.key(self.seed), (3, 100))
        return 10 * images.mean((1, 2)) @ weights


def member(seed, size=40):
    crop = CenterCrop(size=size, resize=48)
    return Classifier(name=f"colours{seed}", model=Colours(seed), pixels=PIXELS, variables={}, crop=crop, config={})


@pytest.fixture(scope="module")
def source():
    return open_source("mini_ilsvrc/tiny", "validation")


@pytest.mark.parametrize("batch_size", [2, 64, 150, 256])
def test_every_image_counts_once_at_any_batch_size(source, batch_size):
    errors = evaluate_errors([member(0)], source, batch_size=batch_size)
    assert errors == evaluate_errors([member(0)], source, batch_size=200)
    assert errors.images == len(source) == 200


def test_an_ensemble_averages_probabilities_each_member_with_its_own_crop(source):
    members = [member(0), member(1, size=32)]
    total = np.zeros((200, 100))
    labels = np.zeros(200, int)
    for m in members:
        (batch,) = evaluation_batches(source, batch_size=200, crop=m.crop)
        images = (batch["image"] / 255 - np.array(PIXELS.mean)) / np.array(PIXELS.std)
        total += jax.nn.softmax(m.model.apply({}, jnp.asarray(images, jnp.float32)))
        labels = batch["label"]
    expected = ErrorCounts(*(int(count) for count in count_errors(jnp.asarray(total), jnp.asarray(labels))))
    assert evaluate_errors(members, source, batch_size=50) == expected
    assert expected != evaluate_errors(members[:1], source, batch_size=50)


def test_errors_are_percentages():
    errors = ErrorCounts(images=200, top1_wrong=50, top5_wrong=3)
    assert (errors.top1, errors.top5) == (25.0, 1.5)


def test_no_member_is_an_error(source):
    with pytest.raises(ValueError, match="at least one"):
        evaluate_errors([], source, batch_size=2)


def test_a_corrupt_image_is_never_silent(source):
    class Damaged:
        def __len__(self):
            return len(source)

        def __getitem__(self, index):
            data, label = source.records[index]
            return (data[:200] if index == 7 else data), label

    damaged = dataclasses.replace(source, records=Damaged())
    with pytest.raises(ValueError, match="record 7"):
        evaluate_errors([member(0)], damaged, batch_size=50)
    assert evaluate_errors([member(0)], damaged, batch_size=50, max_corrupt=1).images == 199
