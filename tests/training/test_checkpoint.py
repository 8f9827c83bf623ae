import logging
import shutil

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from cnn_evolution.training.checkpoint import load_state, open_checkpoints
from cnn_evolution.training.state import TrainState


def state(step):
    params = {"fc": {"kernel": jnp.full((3, 2), step / 7), "bias": jnp.arange(2.0)}}
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        model_state={"batch_stats": {"bn": {"mean": jnp.full((2,), float(step))}}},
        opt_state=optax.sgd(0.1, 0.9).init(params),
        ema=None,
    )


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints after steps 10 and 20."""
    with open_checkpoints(tmp_path) as checkpoints:
        for step in (10, 20):
            checkpoints.save(state(step))
    return tmp_path


def restore(directory):
    with open_checkpoints(directory) as checkpoints:
        return checkpoints.restore(jax.tree.map(jnp.zeros_like, state(0)))


def test_the_newest_checkpoint_comes_back_to_the_bit(run):
    chex.assert_trees_all_equal(restore(run), state(20))


def test_a_new_directory_has_none(tmp_path):
    assert restore(tmp_path / "new") is None


def test_a_damaged_checkpoint_is_passed_over_with_a_warning_and_can_be_written_again(run, caplog):
    for path in (run / "20" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        restored = restore(run)
    assert "step 20 is damaged" in caplog.text
    chex.assert_trees_all_equal(restored, state(10))
    with open_checkpoints(run) as checkpoints:
        checkpoints.save(state(20))
    assert restore(run).step == 20


def test_a_checkpoint_that_was_not_finished_does_not_count(run):
    shutil.move(run / "20", run / "20.orbax-checkpoint-tmp")
    assert restore(run).step == 10


def test_a_run_of_which_nothing_can_be_read_is_an_error_and_nothing_is_removed(run):
    for step in (10, 20):
        shutil.rmtree(run / str(step) / "state")
    with pytest.raises(OSError, match=r"none of the checkpoints \(steps \[20, 10\]\)"):
        restore(run)
    assert (run / "20").exists()


def test_loading_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_state(tmp_path / "nothing", state(0))
