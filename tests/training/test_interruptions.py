"""Runs that are killed with SIGKILL, at chosen and at random moments, end as if nobody had; real processes, real files.

Every step reports a random number that the objective drew and a checksum of the images that it saw, so equal lines of
metrics mean equal draws and equal images.
"""

import os
import random
import signal
import subprocess
import sys

import pytest

from cnn_evolution.jsonl import read_lines
from cnn_evolution.training.checkpoint import steps_of
from tests.tiers import exhaustive

STEPS, INTERVAL = 110, 25  # of 50 steps an epoch

# Trains in argv[1] and prints a hash of the last state: parameters, statistics, optimiser, averages and step. argv[2]
# says when the process kills itself: "step N", as the metrics of step N are written; "save N", while the N-th
# checkpoint is being written; "seconds S", so long after the first step; or never.
SCRIPT = f"""
import os, signal, sys, threading, time
from pathlib import Path
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from cnn_evolution.data import InceptionCrop, open_source
from cnn_evolution.training import Mixup, RunOptions, Task, cross_entropy, fit
from cnn_evolution.training.fit import load
from cnn_evolution.training.identity import identity, tree_hash


class Net(nn.Module):
    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Conv(8, (3, 3), strides=2)(images)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        return nn.Dense(100)(nn.Dropout(0.2, deterministic=not train)(x.mean((1, 2))))


def objective(params, model_state, batch, key, step, frozen):
    loss, (new_state, metrics) = cross_entropy(Net())(params, model_state, batch, key, step, frozen)
    there = batch["target"].sum(-1)
    seen = {{"draw": jax.random.uniform(key), "images": (there * batch["image"].mean((1, 2, 3))).sum()}}
    return loss, (new_state, {{**metrics, **seen}})


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def watch(directory, number):
    seen = set()
    while True:
        for path in directory.glob("*tmp*"):
            seen.add(path.name)
            if len(seen) == number:
                kill()


if __name__ == "__main__":
    run_dir, (when, number) = Path(sys.argv[1]), sys.argv[2].split()
    started = []

    def look_on(step, metrics):
        time.sleep(0.005)
        if when == "step" and step == int(number):
            kill()
        if when == "seconds" and not started:
            started.append(threading.Timer(float(number), kill))
            started[0].daemon = True
            started[0].start()

    if when == "save":
        threading.Thread(target=watch, args=(run_dir / "checkpoints", int(number)), daemon=True).start()
    source = open_source("mini_ilsvrc/tiny", "train")
    task = Task(
        model=Net(), train=source, evaluation=open_source("mini_ilsvrc/tiny", "validation"), crop=InceptionCrop(24),
        batch_operations=(Mixup(0.2),), objective=objective, optimizer=optax.adam(1e-3), steps={STEPS}, batch_size=16,
        ema_decay=0.9, seed=3,
    )
    options = RunOptions(log_every=1, checkpoint_every={INTERVAL} / 50, evaluate_every=1, on_metrics=look_on)
    result = fit(task, run_dir, options)
    print(tree_hash(load(task, run_dir, identity(task))), result.top1_error)
"""


def run(run_dir, when="never 0", devices=2):
    """What the script prints, or None if it was killed."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-c", SCRIPT, str(run_dir), when]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XLA_FLAGS": flags}, timeout=120)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout if done.returncode == 0 else None


def metrics(run_dir):
    names = ("step", "loss", "gradient_norm", "top1_error", "draw", "images")
    return [[line[name] for name in names] for line in read_lines(run_dir / "metrics.jsonl")]


@pytest.mark.parametrize("devices", [1, 8])
@exhaustive
def test_a_run_that_is_killed_ends_as_its_twin_that_is_not(tmp_path, devices):
    whole = run(tmp_path / "whole", devices=devices)
    for number, when in enumerate(("step 17", "step 50", "step 51", "save 1", "save 3")):
        run_dir = tmp_path / str(number)
        assert run(run_dir, when, devices) is None
        reached = metrics(run_dir)[-1][0]
        assert reached < STEPS and (when.startswith("save") or reached == int(when.split()[1]))
        assert run(run_dir, devices=devices) == whole
        assert metrics(run_dir) == metrics(tmp_path / "whole")
        results = [(tmp_path / name / "results.jsonl").read_bytes() for name in ("whole", str(number))]
        assert results[0] == results[1]


@exhaustive
def test_twenty_kills_at_random_moments_lose_an_interval_and_the_time_of_a_save_at_most(tmp_path):
    whole, chance, kills, lost = run(tmp_path / "whole"), random.Random(0), 0, []
    for attempt in range(20):
        run_dir = tmp_path / str(attempt)
        while (end := run(run_dir, f"seconds {chance.uniform(0, 1.2):.3f}")) is None and kills < 20:
            kills += 1
            lost.append(metrics(run_dir)[-1][0] - max(steps_of(run_dir / "checkpoints"), default=0))
        end = end or run(run_dir)
        assert end == whole and metrics(run_dir) == metrics(tmp_path / "whole")
        if kills == 20:
            break
    assert kills == 20
    # Steps go on while a checkpoint is being written, but not past the next one.
    assert max(lost) <= 2 * INTERVAL, lost
    print("steps lost", sorted(lost))
