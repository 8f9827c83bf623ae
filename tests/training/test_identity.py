"""What tells one run from another."""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

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
