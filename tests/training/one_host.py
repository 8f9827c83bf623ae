"""One process of a run over several: python -m tests.training.one_host RUN_DIR PROCESS PROCESSES PORT [EVENT]

EVENT is "WHAT PROCESS STEP", what happens to that process: "SIGKILL", "SIGTERM", "SIGINT" or "error" while the metrics
of the step are written; "unreadable" where the checkpoint of the step is read; "seed" is another task, of that seed.
With JAX_ENABLE_X64 everything is float64. Prints the five best classes of the validation images that the process read,
by their ids, as JSON.
"""

import functools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from cnn_evolution import create_model, parallel
from cnn_evolution.data import FixedScaleCrop, open_source
from cnn_evolution.evaluation.errors import evaluate_errors
from cnn_evolution.evaluation.predictions import Answer, collecting
from cnn_evolution.training import RunOptions, Task, checkpoint, fit
from cnn_evolution.training.fit import as_classifier, load
from cnn_evolution.training.identity import identity
from experiments import command_line

SIZE = 40


class Event(NamedTuple):
    """What happens to this process, and at which step."""

    what: str = ""
    step: int = 0


def task(seed: int) -> Task:
    """Ten steps of a narrow VGG-11 with synchronised batch normalisation, without dropout."""
    dtype = jnp.zeros(()).dtype
    model = create_model("vgg11_bn", num_classes=100, width=1 / 16, input_size=SIZE, dropout=0, dtype=dtype)

    def init(key: jax.Array) -> dict[str, object]:
        variables = model.init(key, jnp.zeros((1, SIZE, SIZE, 3)))
        return jax.tree.map(lambda x: x.astype(dtype), dict(variables))

    return Task(
        model=model,
        train=open_source("mini_ilsvrc/tiny", "train"),
        evaluation=open_source("mini_ilsvrc/tiny", "validation"),
        crop=FixedScaleCrop(size=SIZE, resize=44),
        optimizer=optax.sgd(0.05, 0.9),
        steps=10,
        batch_size=16,
        batch_statistics="synchronised",
        init=init,
        seed=seed,
        config={"network": "vgg11_bn", "dtype": str(dtype), "seed": seed},
    )


def at_step(event: Event, run_dir: Path, step: int, metrics: object) -> None:
    if event.what in ("SIGTERM", "SIGINT"):
        time.sleep(0.5)  # so that JAX notices while the run is going on; the other process waits in a step
    if step == event.step:
        while event.what == "SIGKILL" and not checkpoint.steps_of(run_dir / "checkpoints"):
            time.sleep(0.05)  # the one before is being written meanwhile
        if event.what == "error":
            raise ValueError("an error of one process")
        if event.what.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, event.what))


def read(event: Event, usual: object, directory: Path, step: int, template: object) -> object:
    if event == ("unreadable", step):
        raise OSError("a stale file handle")
    return usual(directory, step, template)


def main() -> None:
    directory, process, processes, port, *told = sys.argv[1:]
    if processes != "1":
        parallel.join(f"127.0.0.1:{port}", int(processes), int(process))
    what, whose, step = told[0].split() if told else ("", "", 0)
    event = Event(what, int(step)) if whose == process else Event()

    checkpoint._read = functools.partial(read, event, checkpoint._read)
    one, run_dir = task(event.step if event.what == "seed" else 0), Path(directory)
    every = 4 * one.batch_size / len(one.train)  # four steps, in epochs
    look_on = functools.partial(at_step, event, run_dir)
    fit(one, run_dir, RunOptions(log_every=1, checkpoint_every=every, on_metrics=look_on))
    answers: dict[str, Answer] = {}
    classifier = as_classifier(one, load(one, run_dir, identity(one)), {})
    evaluate_errors([classifier], one.evaluation, batch_size=one.batch_size, answered=collecting(answers))
    print(json.dumps({image: answer.top5 for image, answer in answers.items()}))


if __name__ == "__main__":
    command_line.run(main)
