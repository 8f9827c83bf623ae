import errno
import logging
import shutil
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
import pytest

from cnn_evolution.training.checkpoint import (
    Checkpoints,
    load_saved,
    open_checkpoints,
    read_newest,
    set_aside,
    steps_of,
)
from cnn_evolution.training.state import TrainState

RUN = {"task": {"name": "fc"}}


def state(step):
    params = {"fc": {"kernel": jnp.full((3, 2), step / 7), "bias": jnp.arange(2.0)}}
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        model_state={"batch_stats": {"bn": {"mean": jnp.full((2,), float(step))}}},
        opt_state=optax.sgd(0.1, 0.9).init(params),
        ema=None,
    )


def test_a_run_in_object_storage_is_refused():
    with pytest.raises(ValueError, match="gs://bucket/run/checkpoints is an address"):
        steps_of(Path("gs://bucket/run") / "checkpoints")


@pytest.fixture
def run(tmp_path):
    """A run with checkpoints after steps 10 and 20."""
    with open_checkpoints(tmp_path, RUN) as checkpoints:
        for step in (10, 20):
            checkpoints.save(state(step))
    return tmp_path


def restore(directory, template=None):
    saved = read_newest(directory, template or jax.tree.map(jnp.zeros_like, state(0)), set_aside)
    return None if saved is None else saved.state


def files(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_the_newest_checkpoint_comes_back_to_the_bit(run):
    chex.assert_trees_all_equal(restore(run), state(20))


def test_a_new_directory_has_none(tmp_path):
    assert restore(tmp_path / "new") is None


def spoil(path, how):
    """Makes files under a path, or one file, empty, half as long, or none."""
    for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
        if how == "missing":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if how == "half" else b"")


@pytest.mark.parametrize("how", ["empty", "half", "missing"])
@pytest.mark.parametrize("what", ["state", "state/_METADATA", "state/manifest.ocdbt", "state/d", "run"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning_and_kept_aside(run, what, how, caplog):
    spoil(run / "20" / what, how)
    left = {path.relative_to(run / "20"): content for path, content in files(run / "20").items()}
    with caplog.at_level(logging.WARNING):
        restored = restore(run)
    assert (
        len([record for record in caplog.records if "step 20" in record.message and "damaged" in record.message]) == 1
    )
    chex.assert_trees_all_equal(restored, state(10))
    aside = run / "damaged-20-1"
    assert {path.relative_to(aside): content for path, content in files(aside).items()} == left
    with open_checkpoints(run, RUN) as checkpoints:
        checkpoints.save(state(20))
    assert restore(run).step == 20 and aside.exists()


def test_loading_changes_nothing_whatever_it_finds(run):
    spoil(run / "20" / "state", "half")
    (run / "30.orbax-checkpoint-tmp").mkdir()  # a save that is under way
    before = files(run), sorted(run.rglob("*"))
    chex.assert_trees_all_equal(load_saved(run, state(0)).state, state(10))
    assert (files(run), sorted(run.rglob("*"))) == before


def test_an_error_that_may_pass_is_raised_and_the_newest_checkpoint_stays(run, monkeypatch):
    def stale(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(ocp.CheckpointManager, "restore", stale)
        with pytest.raises(OSError, match=r"step 20 .* cannot be read now, and is left as it is.*Stale file handle"):
            restore(run)
    assert restore(run).step == 20


def test_a_state_of_another_form_is_no_damage(run):
    other = state(0)
    other.params["fc"]["kernel"] = jnp.zeros((4, 2))
    with pytest.raises(ValueError, match=r"step 20 .* another form than this task's.*\(4, 2\)"):
        restore(run, other)
    del other.params["fc"]["kernel"]
    with pytest.raises(ValueError, match=r"another form"):
        restore(run, other)
    assert (run / "20").exists()


def test_a_checkpoint_that_its_writer_removes_meanwhile_is_not_missed(run, monkeypatch):
    real = ocp.CheckpointManager.restore

    def removed(manager, step, **arguments):
        if step == 20:
            shutil.move(run / "20", run / "30")  # saved anew under a later number
            raise ValueError("NOT_FOUND: it is gone")
        return real(manager, step, **arguments)

    monkeypatch.setattr(ocp.CheckpointManager, "restore", removed)
    chex.assert_trees_all_equal(restore(run), state(20))


def test_a_checkpoint_that_was_not_finished_does_not_count(run):
    shutil.move(run / "20", run / "20.orbax-checkpoint-tmp")
    assert restore(run).step == 10


def test_a_run_of_which_nothing_can_be_read_is_an_error_and_nothing_is_removed(run):
    for step in (10, 20):
        shutil.rmtree(run / str(step) / "state")
    with pytest.raises(OSError, match=r"none of the checkpoints \(steps \[20, 10\]\)"):
        restore(run)
    assert (run / "20").exists()


def test_a_checkpoint_knows_its_run_and_one_that_does_not_is_of_an_older_version(run):
    assert load_saved(run, state(0)).run == RUN
    shutil.rmtree(run / "20" / "run")
    with pytest.raises(ValueError, match=r"step 20 .* of an older version, without its run"):
        restore(run)


def test_any_kept_step_can_be_loaded_and_no_other(run):
    assert load_saved(run, state(0), 10).state.step == 10
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of step 15 .* it has those of 20, 10"):
        load_saved(run, state(0), 15)
    spoil(run / "10" / "state", "half")
    with pytest.raises(OSError, match=r"step 10 .* is damaged"):
        load_saved(run, state(0), 10)


def test_the_newest_two_are_kept_and_those_that_are_asked_for(run):
    with open_checkpoints(run, RUN) as checkpoints:
        for step in (30, 40, 50):
            checkpoints.save(state(step), keep=[20])
    assert steps_of(run) == [50, 40, 20]
    with open_checkpoints(run, RUN) as checkpoints:
        checkpoints.save(state(60))
    assert steps_of(run) == [60, 50]


def test_loading_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_saved(tmp_path / "nothing", state(0))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left there"),
        (ValueError("RESOURCE_EXHAUSTED: Error writing"), "no space is left there"),
        (OSError(errno.EROFS, "Read-only file system"), "OSError: .*Read-only file system"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_said_in_a_line_with_the_last_whole_one(run, monkeypatch, error, why):
    def fail(*_, **__):
        raise error

    checkpoints = Checkpoints(run, RUN)
    monkeypatch.setattr(ocp.CheckpointManager, "save", fail)
    with pytest.raises(OSError, match=rf"step 30 or the one before cannot be written in .*{why}; .* is of step 20$"):
        checkpoints.save(state(30))
    assert restore(run).step == 20
