"""What tells one run from another."""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.data import ArraySource
from cnn_evolution.training.augment import Mixup
from cnn_evolution.training.identity import FILE, as_json, check_same, differences, identity
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
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_task_without_a_config_is_described_by_its_fields(change, path):
    ours = task(model=Net())
    assert identity(ours) == identity(task(model=Net()))
    assert paths(ours, dataclasses.replace(ours, **change)) == [path]


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


def test_another_task_in_a_directory_with_checkpoints_is_refused_by_its_fields(tmp_path):
    check_same(identity(task()), tmp_path / "new")
    (tmp_path / FILE).write_bytes(as_json(identity(task(config={"a": {"b": 1}}))))
    check_same(identity(task()), tmp_path)  # it has none, so nothing is lost
    (tmp_path / "checkpoints" / "20").mkdir(parents=True)
    check_same(identity(task(config={"a": {"b": 1}})), tmp_path)
    with pytest.raises(ValueError, match=r"another task.*task\.a\.b: 2 against 1; task\.c: 3 against 'nothing'"):
        check_same(identity(task(config={"a": {"b": 2}, "c": 3})), tmp_path)


def images(count=4, names=("cat", "dog"), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return ArraySource(pixels, [0, 1] * (count // 2), names)


def on(source):
    return identity(task(train=source, evaluation=source))


@pytest.fixture
def run(tmp_path):
    """A run of four images of cats and dogs."""
    (tmp_path / "checkpoints" / "20").mkdir(parents=True)
    (tmp_path / FILE).write_bytes(as_json(on(images())))
    return tmp_path


@pytest.mark.parametrize("names", [("ant", "bee"), ("dog", "cat"), ("cat", "dog", "bee")])
def test_other_classes_are_refused_with_both_lists(run, names):
    ours, label = ", ".join(names), 2 if len(names) == 3 else 0
    message = (
        rf"on other classes\. They differ from label {label} on .*: {len(names)} \({ours}\) against 2 \(cat, dog\)"
    )
    with pytest.raises(ValueError, match=message):
        check_same(on(images(names=names)), run)


@pytest.mark.parametrize(("change", "what"), [({"count": 6}, "images: 6 against 4"), ({"seed": 1}, "fingerprint: ")])
def test_other_images_of_the_same_classes_are_said(run, caplog, change, what):
    check_same(on(images()), run)
    assert not caplog.records
    check_same(on(images(**change)), run)
    (record,) = caplog.records
    assert "was trained on other images of these classes" in record.message and f"train.{what}" in record.message
