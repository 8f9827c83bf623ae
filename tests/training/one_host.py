"""One process of a run over several: python -m tests.training.one_host RUN_DIR PROCESS PROCESSES PORT [EVENT]

EVENT is "WHAT PROCESS STEP": what happens to a process while the metrics of a step are written: "SIGKILL", "SIGTERM",
"SIGINT" or "error"; or "unreadable", where the checkpoint of a step cannot be read by that process. With
JAX_ENABLE_X64 everything is float64. Prints the five best classes of the validation images that the process read, by
their ids, as JSON.
"""

import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


def task() -> Task:
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
        config={"network": "vgg11_bn", "dtype": str(dtype)},
    )


def failing(read: Callable[..., object], step: int, directory: Path, asked: int, template: object) -> object:
    if asked == step:
        raise OSError("a stale file handle")
    return read(directory, asked, template)


def main() -> None:
    directory, process, processes, port, *event = sys.argv[1:]
    if processes != "1":
        parallel.join(f"127.0.0.1:{port}", int(processes), int(process))

    def look_on(step: int, metrics: object) -> None:
        if not event:
            return
        time.sleep(0.2)  # so that a signal finds the run going on
        what, to, when = event[0].split()
        if (process, step) == (to, int(when)):
            if what == "error":
                raise ValueError("an error of one process")
            os.kill(os.getpid(), getattr(signal, what))

    if event and event[0].startswith(f"unreadable {process}"):
        checkpoint._read = functools.partial(failing, checkpoint._read, int(event[0].split()[2]))
    one, run_dir = task(), Path(directory)
    fit(one, run_dir, RunOptions(log_every=1, checkpoint_every=4 * 16 / len(one.train), on_metrics=look_on))
    answers: dict[str, Answer] = {}
    classifier = as_classifier(one, load(one, run_dir, identity(one)), {})
    evaluate_errors([classifier], one.evaluation, batch_size=one.batch_size, answered=collecting(answers))
    print(json.dumps({image: answer.top5 for image, answer in answers.items()}))


if __name__ == "__main__":
    command_line.run(main)
