"""The training loop: from a task and a directory to a trained, evaluated network."""

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnn_evolution.data import check_operations, train_batches
from cnn_evolution.evaluation.classifier import Classifier, Logits
from cnn_evolution.evaluation.errors import evaluate_errors, predictor
from cnn_evolution.evaluation.results import Result, append_result, make_result, read_results, summary
from cnn_evolution.jsonl import append_line, read_lines
from cnn_evolution.parallel import check_batch_size, replicated, split_over_devices, to_global
from cnn_evolution.training import identity
from cnn_evolution.training.checkpoint import Checkpoints, load_state, open_checkpoints
from cnn_evolution.training.metrics import MetricsWriter
from cnn_evolution.training.state import TrainState, start_state
from cnn_evolution.training.step import Step, mapped_train_step
from cnn_evolution.training.task import RunOptions, Task


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, has saved a checkpoint, and goes on when it is started again."""


def fit(task: Task, run_dir: Path | str, options: RunOptions | None = None) -> Result:
    """Trains, checkpoints and evaluates; started again with the same arguments, it continues where it was.

    Args:
      task: What to do.
      run_dir: Gets `config.json`, `checkpoints/`, `metrics.jsonl`, `tensorboard/` and `results.jsonl`.
      options: How to do it.

    Returns:
      The result of the evaluation after the last step.

    Raises:
      ValueError: The parts of the task do not fit one another or the devices, which is said before anything is computed
        or written; or the directory holds a run of another task.
      Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
    """
    run_dir, options = Path(run_dir), options or RunOptions()
    config = identity.identity(task)
    identity.check_same(config, run_dir)
    step = check(task)
    if (result := finished_result(task, run_dir)) is not None:
        return result
    first = jax.process_index() == 0
    with open_checkpoints(run_dir / "checkpoints") as checkpoints:
        template, _, constants = step_arguments(task)
        restored = checkpoints.restore(template)
        state = initial_state(task) if restored is None else restored
        start = int(state.step)
        if first:
            identity.save(config, run_dir)
            _forget_after(run_dir / "metrics.jsonl", start)
        writer = MetricsWriter(run_dir, task.steps, start, task.batch_size, active=first)
        try:
            if restored is not None:
                writer.say(f"continues after step {start} of {task.steps}")
            state = _train(task, step, constants, state, options, checkpoints, writer, run_dir)
        finally:
            writer.close()
        return _evaluate(task, state, run_dir, options, say=writer.say)


def evaluate(task: Task, run_dir: Path | str, options: RunOptions | None = None) -> Result:
    """Errors of the run's newest checkpoint on `task.evaluation`; writes nothing.

    Raises:
      ValueError: The directory holds a run of another task, or the parts of the task do not fit one another.
      FileNotFoundError: It holds no run, or a run without a checkpoint.
    """
    run_dir = Path(run_dir)
    identity.read_identity(run_dir)
    return _measure(task, load(task, run_dir), options or RunOptions())


def load(task: Task, run_dir: Path) -> TrainState:
    """The state of the run's newest checkpoint.

    Raises:
      ValueError, FileNotFoundError: As `evaluate`.
    """
    identity.check_same(identity.identity(task), run_dir)
    return load_state(run_dir / "checkpoints", step_arguments(task)[0])


def check(task: Task) -> Step:
    """The step over the local devices, once everything that a run computes has been traced.

    Raises:
      ValueError: The parts of the task do not fit one another or the devices.
    """
    check_batch_size(task.batch_size, task.accumulate_steps)
    check_operations(task.image_operations, task.crop.size)
    num_classes = task.train.num_classes
    step = mapped_train_step(
        task.loss,
        task.optimizer,
        task.pixels,
        num_classes,
        task.batch_operations,
        task.accumulate_steps,
        task.ema_decay,
    )
    state, batch, constants = step_arguments(task)
    jax.eval_shape(step, state, batch, constants)
    predict = predictor(task.predict or Logits(task.model), task.pixels, num_classes)
    jax.eval_shape(predict, state.variables(), batch["image"], task.frozen)
    return step


def step_arguments(task: Task) -> tuple[TrainState, dict[str, jax.ShapeDtypeStruct], dict[str, Any]]:
    """Shapes, types and places of the state; shapes and types of a batch; what is constant throughout the run."""
    state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated()),
        jax.eval_shape(functools.partial(_start, task), jax.random.key(task.seed)),
    )
    share = (jax.local_device_count(), task.batch_size // jax.device_count())
    batch = {
        "image": jax.ShapeDtypeStruct((*share, task.crop.size, task.crop.size, 3), np.uint8),
        "label": jax.ShapeDtypeStruct(share, np.int32),
    }
    return state, batch, {"seed": np.uint32(task.seed), "frozen": task.frozen}


def initial_state(task: Task) -> TrainState:
    """The state before the first step, on every device."""
    # It runs once, so it is compiled without optimisation (GoogLeNet: 3 s instead of 10 on two cores).
    compiled = functools.partial(
        jax.jit, out_shardings=replicated(), compiler_options={"xla_backend_optimization_level": 0}
    )
    if task.init is None or callable(task.init):
        return compiled(functools.partial(_start, task))(jax.random.key(task.seed))
    return compiled(functools.partial(start_state, optimizer=task.optimizer, ema=task.ema_decay > 0))(dict(task.init))


def _start(task: Task, key: jax.Array) -> TrainState:
    return start_state(task.initial(key), task.optimizer, ema=task.ema_decay > 0)


def as_classifier(task: Task, state: TrainState) -> Classifier:
    """The network as evaluation uses it."""
    return Classifier(
        name=task.name or type(task.model).__name__,
        model=task.model,
        pixels=task.pixels,
        variables=state.variables(),
        crop=task.test_crop,
        config={"step": int(state.step), **identity.identity(task)},
        predict=task.predict,
        frozen=task.frozen,
    )


def finished_result(task: Task, run_dir: Path) -> Result | None:
    """The result after the last step if this run has come so far, else None."""
    for result in reversed(read_results(run_dir)):
        if result.config.get("step") == task.steps and result.split == task.evaluation.split:
            return result
    return None


def _train(
    task: Task,
    train_step: Step,
    constants: dict[str, Any],
    state: TrainState,
    options: RunOptions,
    checkpoints: Checkpoints,
    writer: MetricsWriter,
    run_dir: Path,
) -> TrainState:
    start = int(state.step)
    batches = train_batches(
        task.train,
        batch_size=task.batch_size,
        crop=task.crop,
        seed=task.seed,
        operations=task.image_operations,
        start=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=options.workers,
        max_corrupt=options.max_corrupt,
    )
    constants = jax.device_put(constants, replicated())
    checkpoint_steps = _steps(task, options.checkpoint_every)
    evaluation_steps = _steps(task, options.evaluate_every) if options.evaluate_every else task.steps
    before = None
    numbered = zip(range(start + 1, task.steps + 1), writer.awaited(batches), strict=False)  # batches never end
    with _stop_requests() as stop_requested:
        for step, batch in numbered:
            state, metrics = train_step(state, split_over_devices(batch), constants)
            # The devices start on this step while the last one's end is awaited, but never run further ahead.
            jax.block_until_ready(before)
            before = metrics
            writer.advance(step)
            last = step == task.steps
            if step % options.log_every == 0 or last:
                values = {name: float(value) for name, value in metrics.items()}
                writer.write(step, values)
                if options.on_metrics:
                    options.on_metrics(step, values)
            # Hosts agree by communicating, which is too dear for every step.
            stop = (jax.process_count() == 1 or step % options.log_every == 0) and stop_requested()
            if step % checkpoint_steps == 0 or last or stop:
                checkpoints.save(to_global(state))
            if stop and not last:
                raise Interrupted(
                    f"stopped after step {step} of {task.steps}, which is saved; the same command continues from there"
                )
            if step % evaluation_steps == 0 and not last:
                _evaluate(task, state, run_dir, options, say=writer.say)
    return state


def _steps(task: Task, epochs: float) -> int:
    return max(1, round(epochs * len(task.train) / task.batch_size))


def _evaluate(task: Task, state: TrainState, run_dir: Path, options: RunOptions, say: Callable[[str], None]) -> Result:
    result = _measure(task, state, options)
    if jax.process_index() == 0:
        append_result(run_dir, result)
    say(summary(result))
    return result


def _measure(task: Task, state: TrainState, options: RunOptions) -> Result:
    classifier = as_classifier(task, state)
    errors = evaluate_errors([classifier], task.evaluation, batch_size=task.batch_size, workers=options.workers)
    return make_result([classifier], task.evaluation, errors, classifier.config)


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
