"""The training loop: from a recipe and a directory to a trained, evaluated network."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnn_evolution.data import train_batches
from cnn_evolution.evaluation.errors import evaluate
from cnn_evolution.evaluation.results import (
    Result,
    append_line,
    append_result,
    make_result,
    read_lines,
    read_results,
    summary,
)
from cnn_evolution.files import write_whole
from cnn_evolution.parallel import map_step, split_over_devices, to_global
from cnn_evolution.training.checkpoint import Checkpoints, open_checkpoints
from cnn_evolution.training.metrics import MetricsWriter
from cnn_evolution.training.recipe import Recipe, differences, from_json, to_json
from cnn_evolution.training.run import Run, RunOptions, prepare, train_crop
from cnn_evolution.training.state import TrainState
from cnn_evolution.training.step import make_train_step


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, has saved a checkpoint, and goes on when it is started again."""


def train(recipe: Recipe, run_dir: Path, options: RunOptions | None = None) -> Result:
    """Trains, checkpoints and evaluates; started again with the same arguments, it continues where it was.

    Args:
      recipe: What to do.
      run_dir: Gets `recipe.json`, `checkpoints/`, `metrics.jsonl`, `tensorboard/` and `results.jsonl`.
      options: How to do it.

    Returns:
      The result of the evaluation after the last step.

    Raises:
      ValueError: Something does not fit (see `prepare`), or the directory holds a run of another recipe.
      FileNotFoundError: The data set is not there.
      Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
    """
    options = options or RunOptions()
    _check_same_recipe(recipe, run_dir)
    run = prepare(recipe, options)
    if (result := finished_result(recipe, run_dir, run.steps)) is not None:
        return result
    first = jax.process_index() == 0
    with open_checkpoints(run_dir / "checkpoints") as checkpoints:
        restored = checkpoints.restore(run.abstract_state(), recipe)
        state, start = restored if restored is not None else (run.init(), 0)
        if first:
            _save_recipe(recipe, run_dir)
            _forget_after(run_dir / "metrics.jsonl", start)
        writer = MetricsWriter(run_dir, run.steps, start, recipe.batch_size, active=first)
        try:
            if restored is not None:
                writer.say(f"continues after step {start} of {run.steps}")
            state = _train_steps(run, state, start, options, checkpoints, writer, run_dir)
        finally:
            writer.close()
        return _evaluate(run, state, run_dir, options, say=writer.say)


def finished_result(recipe: Recipe, run_dir: Path, steps: int) -> Result | None:
    """The result after the last step if this run has come so far, else None."""
    for result in reversed(read_results(run_dir)):
        if result.config.get("step") == steps and result.split == recipe.data.evaluation_split:
            return result
    return None


def _train_steps(
    run: Run,
    state: TrainState,
    start: int,
    options: RunOptions,
    checkpoints: Checkpoints,
    writer: MetricsWriter,
    run_dir: Path,
) -> TrainState:
    recipe = run.recipe
    step = map_step(make_train_step(run.model, run.pixels, recipe, run.optimizer, run.schedule, run.train.num_classes))
    batches = train_batches(
        run.train,
        batch_size=recipe.batch_size,
        crop=train_crop(recipe),
        seed=recipe.seed,
        start=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=options.workers,
        max_corrupt=options.max_corrupt,
    )
    checkpoint_steps = max(1, round(options.checkpoint_every * run.steps_per_epoch))
    evaluation_steps = max(1, round(options.evaluate_every * run.steps_per_epoch)) if options.evaluate_every else 0
    before = None
    numbered = zip(range(start + 1, run.steps + 1), writer.awaited(batches), strict=False)  # batches never end
    with _stop_requests() as stop_requested:
        for done, batch in numbered:
            state, metrics = step(state, split_over_devices(batch))
            # The devices start on this step while the last one's end is awaited, but never run further ahead.
            jax.block_until_ready(before)
            before = metrics
            writer.advance(done)
            last = done == run.steps
            if done % options.log_every == 0 or last:
                writer.write(done, {name: float(value) for name, value in metrics.items()})
            # Hosts agree by communicating, which is too dear for every step.
            stop = (jax.process_count() == 1 or done % options.log_every == 0) and stop_requested()
            if done % checkpoint_steps == 0 or last or stop:
                checkpoints.save(to_global(state), recipe, done)
            if stop and not last:
                raise Interrupted(
                    f"stopped after step {done} of {run.steps}, which is saved; the same command continues from there"
                )
            if evaluation_steps and done % evaluation_steps == 0 and not last:
                _evaluate(run, state, run_dir, options, say=writer.say)
    return state


def _evaluate(run: Run, state: TrainState, run_dir: Path, options: RunOptions, say: Callable[[str], None]) -> Result:
    member = run.member(state)
    errors = evaluate([member], run.evaluation, batch_size=run.recipe.batch_size, workers=options.workers)
    result = make_result([member], run.evaluation, errors, member.config)
    if jax.process_index() == 0:
        append_result(run_dir, result)
    say(summary(result))
    return result


def _check_same_recipe(recipe: Recipe, run_dir: Path) -> None:
    path = run_dir / "recipe.json"
    if path.exists() and (lines := differences(recipe, from_json(path.read_text()))):
        raise ValueError(
            f"{run_dir} holds a run of another recipe; choose another directory, or the same recipe again. "
            "They differ in (yours against that run's): " + "; ".join(lines)
        )


def _save_recipe(recipe: Recipe, run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    write_whole(run_dir / "recipe.json", to_json(recipe).encode())


def _forget_after(path: Path, step: int) -> None:
    """Removes the metrics of steps that will be computed again."""
    records = read_lines(path)
    if any(record["step"] > step for record in records):
        path.unlink()
        for record in records:
            if record["step"] <= step:
                append_line(path, record)


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """While active, the first SIGINT or SIGTERM only raises a flag, so that the step in progress is finished and saved.

    The second one acts as usual. All hosts of a run must stop after the same step, so they agree on the flag.
    """
    requested = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    usual = [signal.getsignal(s) for s in signals]

    def restore() -> None:
        for s, handler in zip(signals, usual, strict=True):
            signal.signal(s, handler)

    def request(*_: object) -> None:
        requested.set()
        restore()

    def agreed() -> bool:
        if jax.process_count() == 1:
            return requested.is_set()
        return bool(np.any(multihost_utils.process_allgather(np.array(requested.is_set()))))

    for s in signals:
        signal.signal(s, request)
    try:
        yield agreed
    finally:
        restore()
