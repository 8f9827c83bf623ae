"""What a task checks when it is made, and what it puts in the place of what is left out."""

import flax.linen as nn
import numpy as np
import optax
import pytest

import cnn_evolution as ce
from cnn_evolution.data import ArraySource, CenterCrop, FixedScaleCrop
from cnn_evolution.parallel import AXIS
from cnn_evolution.training import Task, cross_entropy

IMAGES = np.zeros((4, 8, 8, 3), np.uint8)
SOURCE = ArraySource(IMAGES, [0, 1, 0, 1], ("cat", "dog"))


def task(**changes):
    arguments = {
        "model": ce.create_model("resnet18", num_classes=2, width=0.125),
        "train": SOURCE,
        "evaluation": SOURCE,
        "crop": FixedScaleCrop(32, 36),
        "optimizer": optax.sgd(0.1),
        "steps": 2,
        "batch_size": 4,
    }
    return Task(**arguments | changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0, expected a number of steps above 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"accumulate_steps": 0}, "accumulate_steps is 0"),
        ({"ema_decay": 1.0}, r"ema_decay is 1\.0, expected a number in \[0, 1\)"),
        ({"batch_statistics": "shared"}, "batch_statistics is 'shared', expected synchronised, per_replica"),
        ({"seed": 2**32}, "seed is 4294967296"),
        (
            {"evaluation": ArraySource(IMAGES, [0] * 4, ("dog", "cat"))},
            "label 0 is 'cat' in the one, 'dog' in the other",
        ),
    ],
)
def test_what_is_out_of_range_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        task(**change)


def test_evaluation_sees_the_middle_seven_eighths_unless_it_is_told_otherwise():
    assert task().test_crop == CenterCrop(32, 37)
    assert task(crop=CenterCrop(32, 32)).test_crop == CenterCrop(32, 32)
    assert task(evaluation_crop=CenterCrop(32, 40)).test_crop == CenterCrop(32, 40)


def test_the_objective_is_cross_entropy_unless_it_is_told_otherwise():
    assert task().loss == cross_entropy(task().model)
    smoothed = cross_entropy(task().model, label_smoothing=0.1)
    assert task(objective=smoothed).loss == smoothed


def test_synchronised_statistics_are_arranged_in_the_objective():
    smoothed = cross_entropy(task().model, label_smoothing=0.1)
    loss = task(objective=smoothed, batch_statistics="synchronised").loss
    assert loss == cross_entropy(task().model.clone(axis_name=AXIS), label_smoothing=0.1)


@pytest.mark.parametrize(
    "change", [{"objective": lambda *_: None}, {"model": nn.Sequential([])}], ids=["objective", "model"]
)
def test_synchronised_statistics_that_nothing_can_be_told_of_are_an_error(change):
    with pytest.raises(ValueError, match="'synchronised'"):
        task(**{"objective": lambda *_: None} | change, batch_statistics="synchronised").loss  # noqa: B018


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_outside_its_range_is_named(smoothing):
    with pytest.raises(ValueError, match=f"label_smoothing is {smoothing}"):
        cross_entropy(task().model, label_smoothing=smoothing)


def test_a_model_that_does_not_take_train_is_told():
    with pytest.raises(ValueError, match=r"Dense does not take `train`; expected __call__\(self, images"):
        cross_entropy(nn.Dense(2))
