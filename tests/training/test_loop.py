"""Whole runs on real JPEG files; the interrupted ones are real processes that are really killed."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cnn_evolution.jsonl import read_lines
from cnn_evolution.training.loop import train
from cnn_evolution.training.recipe import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    to_json,
)
from cnn_evolution.training.run import RunOptions

# 800 images in batches of 16: 50 steps an epoch, of which these runs do 30.
RECIPE = Recipe(
    model=ModelConfig(name="alexnet", width=0.0625, dropout=0.5, initialisation="he"),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=40, evaluation_resize=44),
    augment=AugmentConfig(crop="inception", pca_noise=0.1),
    optimizer=OptimizerConfig(learning_rate=0.01),
    schedule=ScheduleConfig(name="cosine"),
    epochs=0.6,
    batch_size=16,
    ema_decay=0.9,
)
OPTIONS = RunOptions(log_every=1, checkpoint_every=0.2)

# What a user's script does; the recipe comes as JSON.
SCRIPT = """
import sys
from pathlib import Path
from cnn_evolution.training.loop import train
from cnn_evolution.training.recipe import from_json
from cnn_evolution.training.run import RunOptions
if __name__ == "__main__":
    train(from_json(sys.argv[1]), Path(sys.argv[2]), RunOptions(log_every=1, checkpoint_every=0.2))
"""


def start(run_dir, recipe=RECIPE):
    command = [sys.executable, "-c", SCRIPT, to_json(recipe), str(run_dir)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def wait_for_step(process, run_dir, step):
    deadline = time.monotonic() + 120
    while not any(record["step"] >= step for record in read_lines(run_dir / "metrics.jsonl")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "the run does not come forward"
        time.sleep(0.01)


def losses(run_dir):
    return [
        (record["step"], record["loss"], record["gradient_norm"]) for record in read_lines(run_dir / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("uninterrupted")
    return run_dir, train(RECIPE, run_dir, OPTIONS)


def test_a_run_leaves_its_recipe_metrics_checkpoints_and_result(uninterrupted):
    run_dir, result = uninterrupted
    assert {path.name for path in run_dir.iterdir()} >= {"recipe.json", "metrics.jsonl", "results.jsonl", "checkpoints"}
    assert [step for step, *_ in losses(run_dir)] == list(range(1, 31))
    assert all(0 <= record["waiting_for_input"] <= 1 for record in read_lines(run_dir / "metrics.jsonl"))
    assert (result.images, result.dataset, result.split) == (200, "mini_ilsvrc/tiny", "validation")
    assert 0 < result.top5_error <= result.top1_error <= 100
    assert result.config["recipe"] == json.loads(to_json(RECIPE))
    assert list((run_dir / "tensorboard").iterdir())


def test_a_finished_run_is_not_run_again(uninterrupted):
    run_dir, result = uninterrupted
    before = (run_dir / "metrics.jsonl").stat().st_mtime_ns
    assert train(RECIPE, run_dir, OPTIONS) == result
    assert (run_dir / "metrics.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_a_stopped_run_continues_to_the_same_end_to_the_bit(uninterrupted, tmp_path, how):
    process = start(tmp_path)
    wait_for_step(process, tmp_path, 15)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    reached = losses(tmp_path)[-1][0]
    assert reached < 30
    result = train(RECIPE, tmp_path, OPTIONS)
    run_dir, expected = uninterrupted
    assert losses(tmp_path) == losses(run_dir)
    assert (result.top1_error, result.top5_error) == (expected.top1_error, expected.top5_error)


def test_another_recipe_in_the_same_directory_is_refused_by_its_fields(uninterrupted):
    run_dir, _ = uninterrupted
    other = dataclasses.replace(RECIPE, batch_size=32)
    with pytest.raises(ValueError, match=r"another recipe.*batch_size: 32 against 16"):
        train(other, run_dir, OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ModelConfig(name="alexnit")}, "alexnet"),
        ({"batch_size": 15}, "nearest size that does is 16"),
        ({"data": DataConfig(dataset="mini_ilsvrc/tiny", size=20, evaluation_resize=24)}, "39"),
        ({"data": DataConfig(dataset="mini_ilsvr")}, "mini_ilsvrc"),
        ({"augment": AugmentConfig(crop="fixed_scale", resize=30)}, "30"),
        ({"model": ModelConfig(name="alexnet", zero_init_last=True)}, "zero_init_last"),
    ],
    ids=["model", "batch", "image", "data set", "crop", "option"],
)
def test_what_does_not_fit_is_named_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        train(dataclasses.replace(RECIPE, **change), tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        train(RECIPE, tmp_path / "file" / "run", OPTIONS)
