"""What is said of a run that goes on with another number of devices."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from cnn_evolution import create_model
from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.training import Mixup, Task
from cnn_evolution.training.fit import check
from cnn_evolution.training.resuming import changed_by_devices, continuation

STATISTICS, DRAWN = "statistics over each device's share", "random numbers that each device draws"


def task(model, **options):
    source = ArraySource(np.zeros((8, 40, 40, 3), np.uint8), np.zeros(8, int), ("one", "other"))
    return Task(
        model=create_model(model, num_classes=2, width=1 / 16, input_size=40),
        train=source,
        evaluation=source,
        crop=CenterCrop(size=40, resize=40),
        optimizer=optax.sgd(0.1),
        steps=1,
        batch_size=8,
        **options,
    )


@pytest.mark.parametrize(
    ("task", "changed"),
    [
        (task("resnet18"), [STATISTICS]),
        (task("resnet18", batch_statistics="synchronised"), []),
        (task("resnet18", batch_statistics="synchronised", batch_operations=(Mixup(0.2),)), [DRAWN]),
        (task("alexnet"), [DRAWN]),  # which has dropout
        (dataclasses.replace(task("alexnet"), model=task("alexnet").model.clone(dropout=0.0)), []),
    ],
    ids=["per replica", "synchronised", "mixup", "dropout", "plain"],
)
def test_statistics_of_shares_and_random_numbers_change(task, changed):
    found = changed_by_devices(task, *check(task))
    assert len(found) == len(changed) and all(map(str.startswith, found, changed))


def test_a_continuation_names_both_numbers_only_where_they_differ():
    assert continuation(5, 10, None, []) == "continues after step 5 of 10"
    here = jax.device_count()
    said = f"continues after step 5 of 10 on {here} device(s) instead of 8; "
    assert continuation(5, 10, 8, []) == said + "the outcome is the same to rounding"
    assert continuation(5, 10, 8, ["a", "b"]) == said + "others from here on are a and b"
