"""What tells one run from another."""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.data import ArraySource
from cnn_evolution.training.augment import Mixup
from cnn_evolution.training.identity import check_same, differences, identity, recorded_sources, say_other_images
from tests.training.test_task import task


class Net(nn.Module):
    width: int = 8
    act: object = nn.relu
    dtype: object = jnp.float32

    @nn.compact
    def __call__(self, images, *, train=False):
        return nn.Dense(2)(self.act(nn.Dense(self.width)(images.mean((1, 2)))))


def paths(a, b):
    return [line.split(":")[0] for line in differences(identity(a), identity(b))]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"model": Net(width=16)}, "task.model.width"),
        ({"model": Net(act=nn.gelu)}, "task.model.act"),
        ({"model": Net(dtype=jnp.bfloat16)}, "task.model.dtype"),
        ({"batch_size": 8}, "task.batch_size"),
        ({"seed": 1}, "task.seed"),
        ({"batch_operations": (Mixup(0.3),)}, "task.batch_operations"),
        ({"predict": functools.partial(max, key=1)}, "task.predict"),
        ({"frozen": {"mask": np.ones(3)}}, "frozen"),
        ({"frozen_params": frozenset({"Dense_0/bias"})}, "task.frozen_params"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_task_without_a_config_is_described_by_its_fields(change, path):
    ours = task(model=Net())
    assert identity(ours) == identity(task(model=Net()))
    assert paths(ours, dataclasses.replace(ours, **change)) == [path]


def test_a_task_that_freezes_nothing_is_described_as_by_versions_that_could_not():
    assert "frozen_params" not in identity(task(model=Net()))["task"]


def test_a_config_takes_the_place_of_the_description():
    ours, theirs = task(config={"rate": 0.1, "sizes": (1, 2)}), task(config={"rate": 0.2, "sizes": [1, 2]}, seed=3)
    assert differences(identity(ours), identity(theirs)) == ["task.rate: 0.1 against 0.2"]


def test_frozen_arrays_are_told_apart_by_values_names_and_types():
    trees = [{"a": np.ones(3)}, {"a": np.zeros(3)}, {"b": np.ones(3)}, {"a": np.ones(3, np.float32)}, [np.ones(3)]]
    assert len({identity(task(frozen=tree))["frozen"] for tree in trees}) == len(trees)
    assert identity(task(frozen={"a": jnp.ones(3)})) == identity(task(frozen={"a": np.ones(3, np.float32)}))


@pytest.mark.parametrize("config", [{"model": object()}, {"rate": float("nan")}])
def test_a_config_that_is_no_json_is_an_error(config):
    with pytest.raises(ValueError, match="cannot be stored as JSON"):
        identity(task(config=config))


def test_another_task_is_refused_by_its_fields(tmp_path):
    theirs = identity(task(config={"a": {"b": 1}}))
    check_same(identity(task(config={"a": {"b": 1}})), theirs, tmp_path)
    with pytest.raises(ValueError, match=r"another task.*task\.a\.b: 2 against 1; task\.c: 3 against 'nothing'"):
        check_same(identity(task(config={"a": {"b": 2}, "c": 3})), theirs, tmp_path)


def images(count=4, names=("cat", "dog"), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return ArraySource(pixels, [0, 1] * (count // 2), names)


def on(source):
    return identity(task(train=source, evaluation=source))


@pytest.mark.parametrize("names", [("ant", "bee"), ("dog", "cat"), ("cat", "dog", "bee")])
def test_other_classes_are_refused_with_both_lists(tmp_path, names):
    ours, label = ", ".join(names), 2 if len(names) == 3 else 0
    message = (
        rf"on other classes\. They differ from label {label} on .*: {len(names)} \({ours}\) against 2 \(cat, dog\)"
    )
    with pytest.raises(ValueError, match=message):
        check_same(on(images(names=names)), on(images()), tmp_path)


@pytest.mark.parametrize(("change", "what"), [({"count": 6}, "images: 6 against 4"), ({"seed": 1}, "fingerprint: ")])
def test_other_images_of_the_same_classes_are_said(tmp_path, caplog, change, what):
    ours, theirs = on(images(**change)), on(images())
    check_same(ours, theirs, tmp_path)
    say_other_images(theirs, theirs, tmp_path)
    assert not caplog.records
    say_other_images(ours, theirs, tmp_path)
    (record,) = caplog.records
    assert "was trained on other images of these classes" in record.message and f"train.{what}" in record.message


def test_sources_are_remembered_without_their_images():
    run = on(images())
    remembered = recorded_sources(run)
    assert identity(task(train=remembered[0], evaluation=remembered[1])) == run
    assert len(remembered[0]) == 4 and remembered[0].class_names == ("cat", "dog")
    with pytest.raises(FileNotFoundError, match="open their data set to read them"):
        remembered[0].records[0]
