"""Whole runs on real JPEG files; the interrupted ones are real processes that are really killed."""

import dataclasses
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.evaluation.errors import evaluate_errors
from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from cnn_evolution.recipes import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    Recipe,
    ScheduleConfig,
    Sgd,
    evaluate_runs,
    train,
)
from cnn_evolution.recipes.config import to_dict
from cnn_evolution.training import Diverged, Interrupted, RunOptions, Task, cross_entropy, evaluate, fit
from cnn_evolution.training.checkpoint import steps_of
from cnn_evolution.training.identity import identity
from tests.training.test_identity import Net

fit_module = importlib.import_module("cnn_evolution.training.fit")  # in its package, the name is the function's

# 800 images in batches of 16: 50 steps an epoch, of which these runs do 30.
RECIPE = Recipe(
    model=ModelConfig(name="alexnet", width=0.0625, dropout=0.5, initialisation="he"),
    data=DataConfig(dataset="mini_ilsvrc/tiny", size=40, evaluation_resize=44),
    augment=AugmentConfig(crop="inception", pca_noise=0.1),
    optimizer=Sgd(learning_rate=0.01),
    schedule=ScheduleConfig(name="cosine"),
    epochs=0.6,
    batch_size=16,
    ema_decay=0.9,
)
OPTIONS = RunOptions(log_every=1, checkpoint_every=0.2)

# What a user's script does; the recipe comes as JSON.
SCRIPT = """
import json, sys
from pathlib import Path
from cnn_evolution.recipes import train
from cnn_evolution.recipes.config import from_dict
from cnn_evolution.training import RunOptions
if __name__ == "__main__":
    train(from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]), RunOptions(log_every=1, checkpoint_every=0.2))
"""


def start(run_dir, recipe=RECIPE):
    command = [sys.executable, "-c", SCRIPT, json.dumps(to_dict(recipe)), str(run_dir)]
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


def test_a_run_leaves_its_config_metrics_checkpoints_and_result(uninterrupted):
    run_dir, result = uninterrupted
    assert {path.name for path in run_dir.iterdir()} >= {"config.json", "metrics.jsonl", "results.jsonl", "checkpoints"}
    assert [step for step, *_ in losses(run_dir)] == list(range(1, 31))
    assert all(0 <= record["waiting_for_input"] <= 1 for record in read_lines(run_dir / "metrics.jsonl"))
    assert (result.images, result.dataset, result.split) == (200, "mini_ilsvrc/tiny", "validation")
    assert 0 < result.top5_error <= result.top1_error <= 100
    assert result.config["task"] == json.loads(json.dumps(to_dict(RECIPE)))
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


def test_another_task_in_the_same_directory_is_refused_by_its_fields(uninterrupted):
    run_dir, _ = uninterrupted
    other = dataclasses.replace(RECIPE, batch_size=32)
    with pytest.raises(ValueError, match=r"another task.*batch_size: 32 against 16"):
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


# Tasks of objects: images of two brightnesses, told apart by a network of one's own.

IMAGES = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (40, 200) * 8])
SOURCE = ArraySource(IMAGES, [0, 1] * 8, ("dark", "bright"))


def own_task(**changes):
    arguments = {
        "model": Net(),
        "train": SOURCE,
        "evaluation": SOURCE,
        "crop": CenterCrop(8, 8),
        "optimizer": optax.adam(0.05),
        "steps": 20,
        "batch_size": 4,
    }
    return Task(**arguments | changes)


def test_a_task_of_ones_own_is_trained_and_evaluated_and_every_line_of_metrics_is_handed_on(tmp_path):
    seen = []
    options = RunOptions(log_every=5, on_metrics=lambda step, metrics: seen.append((step, metrics["loss"])))
    result = fit(own_task(), tmp_path, options)
    assert (result.top1_error, result.images, result.model) == (0, 16, "Net")
    assert seen == [(record["step"], record["loss"]) for record in read_lines(tmp_path / "metrics.jsonl")]
    assert evaluate(own_task(), tmp_path) == result
    assert len(read_lines(tmp_path / "results.jsonl")) == 1  # evaluating alone writes nothing


def test_training_starts_from_variables_or_from_a_function_of_a_key(tmp_path):
    variables = Net().init(jax.random.key(5), jnp.zeros((1, 8, 8, 3)))
    still = {"optimizer": optax.sgd(0.0), "steps": 1}
    dark = jax.tree.map(jnp.zeros_like, variables)
    dark["params"]["Dense_0"]["bias"] = jnp.array([1.0, 0.0])
    assert fit(own_task(init=dark, **still), tmp_path / "a").top1_error == 50

    def upside_down(key):
        return jax.tree.map(jnp.negative, dark)

    assert fit(own_task(init=upside_down, **still), tmp_path / "b").top1_error == 50
    losses = [read_lines(tmp_path / name / "metrics.jsonl")[0]["loss"] for name in "ab"]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_frozen_arrays_reach_objective_and_prediction_and_belong_to_the_run(tmp_path):
    def objective(params, model_state, batch, key, step, frozen):
        return cross_entropy(Net())(params, model_state, batch | {"image": frozen * batch["image"]}, key, step, frozen)

    def predict(variables, images, frozen):
        return -Net().apply(variables, frozen * images)

    parts = {"objective": objective, "predict": predict, "steps": 40}
    assert fit(own_task(frozen=np.float32(1), **parts), tmp_path).top1_error == 100
    with pytest.raises(ValueError, match=r"another task.*frozen: "):
        fit(own_task(frozen=np.float32(2), **parts), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": Net(), "objective": lambda p, s, b, k, n, f: (b["target"], (s, {}))},
            "loss must be a floating scalar",
        ),
        ({"image_operations": (lambda image, rng: image[:, :, :1],)}, r"gives uint8 \(8, 8, 1\)"),
        ({"batch_operations": (lambda key, batch: batch | {"label": batch["label"][:1]},)}, "must keep the shapes"),
        ({"predict": lambda variables, images, frozen: images.mean((1, 2))}, r"the prediction has the shape \(2, 3\)"),
        ({"batch_size": 3}, "nearest size that does is 4"),
        ({"config": {"when": object()}}, "cannot be stored as JSON"),
    ],
    ids=["loss", "image", "batch", "prediction", "devices", "config"],
)
def test_what_breaks_a_contract_is_said_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        fit(own_task(**change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_network_of_ones_own_is_refused_by_its_fields(tmp_path):
    fit(own_task(steps=1), tmp_path)
    with pytest.raises(ValueError, match=r"another task.*task\.model\.width: 16 against 8"):
        fit(own_task(steps=1, model=Net(width=16)), tmp_path)


def test_no_finished_result_is_handed_out_for_other_images(tmp_path):
    first = fit(own_task(), tmp_path)
    assert fit(own_task(), tmp_path) == first and len(read_lines(tmp_path / "results.jsonl")) == 1
    upside_down = ArraySource(255 - IMAGES, [0, 1] * 8, ("dark", "bright"))
    other = fit(own_task(evaluation=upside_down), tmp_path)
    assert (first.top1_error, other.top1_error) == (0, 100)
    assert first.fingerprint == SOURCE.fingerprint != other.fingerprint == upside_down.fingerprint
    with pytest.raises(ValueError, match=r"other classes.*2 \(night, day\) against 2 \(dark, bright\)"):
        renamed = ArraySource(IMAGES, [0, 1] * 8, ("night", "day"))
        evaluate(own_task(train=renamed, evaluation=renamed), tmp_path)


def there_and_back(params, model_state, batch, key, step, frozen):
    """Learns for 12 steps, then the opposite."""
    target = jnp.where(step < 12, batch["target"], 1 - batch["target"])
    return cross_entropy(Net())(params, model_state, batch | {"target": target}, key, step, frozen)


BACK = {"objective": there_and_back, "steps": 60}
EVERY_EPOCH = RunOptions(evaluate_every=1.0, checkpoint_every=0.5)  # 4 steps, and 2


def test_the_best_checkpoint_is_kept_beside_the_newest_and_any_of_them_can_be_evaluated(tmp_path):
    last = fit(own_task(**BACK), tmp_path, EVERY_EPOCH)
    errors = {one.config["step"]: one.top1_error for one in read_results(tmp_path)}
    best = min(errors, key=lambda step: (errors[step], step))
    assert list(errors) == list(range(4, 61, 4)) and errors[best] == 0 < last.top1_error == errors[60] and best < 56
    assert steps_of(tmp_path / "checkpoints") == [60, 58, best]
    found = evaluate(own_task(**BACK), tmp_path, which="best")
    assert (found.config["step"], found.top1_error) == (best, 0)
    assert evaluate(own_task(**BACK), tmp_path) == evaluate(own_task(**BACK), tmp_path, which=60) == last
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of step 57 .* it has those of 60, 58"):
        evaluate(own_task(**BACK), tmp_path, which=57)


def test_an_evaluation_that_was_stopped_is_done_at_the_next_start_and_none_twice(tmp_path, monkeypatch):
    whole = fit(own_task(**BACK), tmp_path / "whole", EVERY_EPOCH)
    real, calls = fit_module.measure, []

    def stopped(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(fit_module, "measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(own_task(**BACK), tmp_path / "run", EVERY_EPOCH)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "10", ignore_errors=True)
    assert fit(own_task(**BACK), tmp_path / "run", EVERY_EPOCH) == whole
    assert read_results(tmp_path / "run") == read_results(tmp_path / "whole")


def test_a_stop_that_takes_the_reader_with_it_is_a_stop(tmp_path, monkeypatch):
    """As a signal to the whole group may end processes that decode images while they start."""
    real = fit_module.train_batches

    def ended(*arguments, **options):
        batches = real(*arguments, **options)
        yield from (next(batches) for _ in range(5))
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("a process that decodes images was ended from outside")

    with monkeypatch.context() as patched:
        patched.setattr(fit_module, "train_batches", ended)
        with pytest.raises(Interrupted, match=r"stopped after step 5 of 60, which is saved") as stop:
            fit(own_task(**BACK), tmp_path, EVERY_EPOCH)
    assert stop.value.number == signal.SIGTERM and steps_of(tmp_path / "checkpoints")[0] == 5
    fit(own_task(**BACK), tmp_path, EVERY_EPOCH)
    assert [record["step"] for record in read_lines(tmp_path / "metrics.jsonl")] == [50, 60]


class Normed(nn.Module):
    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Dense(4)(images.mean((1, 2)))
        return nn.Dense(2)(nn.BatchNorm(use_running_average=not train, momentum=0.1)(x))


def test_averaged_weights_are_evaluated_with_the_statistics_that_belong_to_them(tmp_path):
    """The bias before the normalisation drifts, as scales do in a long training."""

    def drift(updates, params):
        return updates | {"Dense_0": updates["Dense_0"] | {"bias": updates["Dense_0"]["bias"] + 3}}

    optimizer = optax.chain(optax.adam(0.05), optax.stateless(drift))
    task = own_task(model=Normed(), optimizer=optimizer, steps=60, batch_size=16, ema_decay=0.9)
    assert fit(task, tmp_path).top1_error == 0
    state = fit_module.load(task, tmp_path, identity(task))
    mixed = {"params": state.ema["params"], **state.model_state}
    classifier = fit_module.as_classifier(task, state, {})
    assert evaluate_errors([dataclasses.replace(classifier, variables=mixed)], SOURCE, batch_size=16).top1 == 50


def test_no_evaluated_checkpoint_is_no_best(tmp_path):
    fit(own_task(steps=1), tmp_path)
    (tmp_path / "results.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="was evaluated, so there is no best"):
        evaluate(own_task(steps=1), tmp_path, which="best")


def test_a_checkpoint_from_another_run_is_found_out(tmp_path):
    for name, width in (("a", 8), ("b", 8)):
        fit(own_task(steps=1, model=Net(width=width), seed=ord(name)), tmp_path / name)
    shutil.rmtree(tmp_path / "a" / "checkpoints")
    shutil.copytree(tmp_path / "b" / "checkpoints", tmp_path / "a" / "checkpoints")
    with pytest.raises(ValueError, match=r"another task.*task\.seed: 97 against 98"):
        evaluate(own_task(steps=1, seed=ord("a")), tmp_path / "a")


HOLDER = """
import sys, time
from pathlib import Path
from cnn_evolution.training.fit import only_one_trains
with only_one_trains(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


def test_one_process_trains_in_a_directory_and_its_lock_dies_with_it(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(OSError, match="another process trains in"):
        fit(own_task(steps=1), tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert fit(own_task(steps=1), tmp_path).images == 16


def test_evaluations_do_not_disturb_a_run_that_saves_often(uninterrupted, tmp_path):
    options = RunOptions(log_every=1, checkpoint_every=0.04)  # every 2 steps
    seen = []

    def look_on(step, metrics):
        if step >= 4 and step % 5 == 0:
            seen.append((step, evaluate_runs([tmp_path]).config["runs"][0]["step"]))

    result = train(RECIPE, tmp_path, dataclasses.replace(options, on_metrics=look_on))
    run_dir, expected = uninterrupted
    assert losses(tmp_path) == losses(run_dir) and result.top1_error == expected.top1_error
    assert len(seen) == 6 and all(0 < step - saved <= 4 for step, saved in seen)


@pytest.mark.parametrize("log_every", [1, 7])
def test_a_run_that_diverges_ends_within_a_logging_interval_and_keeps_its_last_good_checkpoint(tmp_path, log_every):
    def objective(params, model_state, batch, key, step, frozen):
        loss, out = cross_entropy(Net())(params, model_state, batch, key, step, frozen)
        return loss * jnp.where(step < 9, 1.0, jnp.nan), out

    options = RunOptions(log_every=log_every, checkpoint_every=0.5)  # every 2 steps
    with pytest.raises(Diverged, match=r"step 10 has a loss of nan and a gradient of norm nan.*last checkpoint"):
        fit(own_task(objective=objective), tmp_path, options)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()) == ["6", "8"]
    assert not (tmp_path / "results.jsonl").exists()
    text = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in text and (log_every > 1 or read_lines(tmp_path / "metrics.jsonl")[-1]["loss"] is None)


def test_one_step_is_traced_for_profilers(tmp_path):
    fit(own_task(steps=2), tmp_path / "run", RunOptions(profile=2))
    names = {path.name.partition(".")[2] for path in (tmp_path / "run" / "profile").rglob("*") if path.is_file()}
    assert {"xplane.pb", "json.gz"} <= names | {name.partition(".")[2] for name in names}
    with pytest.raises(ValueError, match="profile is 3, expected one of the run's steps, 1 to 2"):
        fit(own_task(steps=2), tmp_path / "other", RunOptions(profile=3))
    assert not (tmp_path / "other").exists()
