"""The training loop: from a task and a directory to a trained, evaluated network."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cnn_evolution.data import check_operations, train_batches
from cnn_evolution.evaluation.classifier import Classifier, Logits
from cnn_evolution.evaluation.errors import predictor
from cnn_evolution.evaluation.results import Result, append_result, measure, summary
from cnn_evolution.files import only_one, write_whole
from cnn_evolution.jsonl import append_line, read_lines
from cnn_evolution.parallel import (
    decided_by_first,
    device_shares,
    map_step,
    peers_in_words,
    replicated,
    split_over_devices,
    to_global,
)
from cnn_evolution.training.checkpoint import (
    Checkpoints,
    Saved,
    load_saved,
    open_checkpoints,
    read_newest,
    set_aside,
    steps_of,
)
from cnn_evolution.training.evaluations import Which, best_steps, chosen_step, evaluations
from cnn_evolution.training.identity import (
    FILE,
    as_json,
    check_processes_agree,
    check_same,
    identity,
    read_identity,
    say_other_images,
)
from cnn_evolution.training.metrics import MetricsWriter, traced
from cnn_evolution.training.resuming import changed_by_devices, continuation
from cnn_evolution.training.state import TrainState, start_state
from cnn_evolution.training.step import Step, make_step
from cnn_evolution.training.stopping import Interrupted, stop_requests
from cnn_evolution.training.task import RunOptions, Task


class Diverged(FloatingPointError):
    """The loss or its gradient is no finite number any more; the last checkpoint is from before."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Where and how a task is done, and its identity."""

    directory: Path
    options: RunOptions
    config: dict[str, Any]


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
      Diverged: The loss is no number any more.
      OSError: Another process trains in this directory, or it cannot be written; or, as `ConnectionError`, another of
        the processes that train together has ended.
      Interrupted: SIGINT or SIGTERM came; a checkpoint was saved.
    """
    run = Run(Path(run_dir), options or RunOptions(), identity(task))
    if run.options.profile > task.steps:
        raise ValueError(f"profile is {run.options.profile}, expected one of the run's steps, 1 to {task.steps}")
    check_processes_agree(run.config)
    if (result := decided_by_first(lambda: _finished(task, run))) is not None:
        return Result(**result)
    mapped, (template, batch, constants) = check(task)
    with contextlib.ExitStack() as stack:
        decided_by_first(lambda: _begin(run, stack))
        first = jax.process_index() == 0
        saved = read_newest(run.directory / "checkpoints", template, set_aside if first else lambda damaged: None)
        if saved is None:
            state, said = initial_state(task), None
        else:
            state = _ours(saved, run.config, run.directory)
            before = None if saved.devices == jax.device_count() else saved.devices
            changed = changed_by_devices(task, mapped, (template, batch, constants)) if before else []
            said = continuation(int(state.step), task.steps, before, changed)
        checkpoints = stack.enter_context(open_checkpoints(run.directory / "checkpoints", run.config))
        with peers_in_words():
            return _train(task, mapped, state, constants, run, checkpoints, said)


def _finished(task: Task, run: Run) -> dict[str, Any] | None:
    """The result of the run, as JSON has it, if it is done already.

    Raises:
      ValueError: The directory holds a run of another task.
    """
    if steps_of(run.directory / "checkpoints"):
        check_same(run.config, read_identity(run.directory), run.directory)
    result = evaluations(run.directory, run.config).get(task.steps)
    return None if result is None else dataclasses.asdict(result)


def _begin(run: Run, stack: contextlib.ExitStack) -> None:
    """Takes possession of the directory for as long as the stack is open, and stores what the run is of."""
    stack.enter_context(only_one_trains(run.directory))
    write_whole(run.directory / FILE, as_json(run.config))


def only_one_trains(directory: Path) -> contextlib.AbstractContextManager[None]:
    """Makes the directory if need be, and holds a lock in it.

    Raises:
      OSError: When it is entered: another process holds it.
    """
    return only_one(directory / "training.lock", "trains")


def evaluate(task: Task, run_dir: Path | str, options: RunOptions | None = None, which: Which = None) -> Result:
    """Errors of one of the run's checkpoints on `task.evaluation`; writes nothing.

    Of the task's `train` only its name, classes and number of images matter; `identity.recorded_sources` has them.

    Args:
      task: The run's.
      run_dir: Its directory.
      options: How to read images.
      which: The step of a checkpoint; None for the newest, "best" for that with the lowest top-1 error.

    Raises:
      ValueError: The directory holds a run of another task, or the parts of the task do not fit one another.
      FileNotFoundError: It holds no run, or a run without such a checkpoint.
    """
    run = Run(Path(run_dir), options or RunOptions(), identity(task))
    return _measure(task, load(task, run.directory, run.config, which), run)


def load(task: Task, run_dir: Path, config: dict[str, Any], which: Which = None) -> TrainState:
    """The state of one of the run's checkpoints; `config` is the task's identity.

    Raises:
      ValueError, FileNotFoundError: As `evaluate`.
    """
    known = read_identity(run_dir)
    check_same(config, known, run_dir)
    saved = load_saved(run_dir / "checkpoints", state_template(task), chosen_step(which, run_dir, known))
    return _ours(saved, config, run_dir)


def _ours(saved: Saved, config: dict[str, Any], run_dir: Path) -> TrainState:
    """The state of a checkpoint of this task.

    Raises:
      ValueError: It is of another task or other classes.
    """
    check_same(config, saved.run, run_dir)
    say_other_images(config, saved.run, run_dir)
    return saved.state


def check(task: Task) -> tuple[Step, tuple[TrainState, Any, dict[str, Any]]]:
    """Traces everything that a run computes.

    Returns:
      The step over the local devices, and what it takes: shapes, types and places of the state, shapes and types of a
      batch, and the constants themselves.

    Raises:
      ValueError: The parts of the task do not fit one another or the devices.
    """
    check_operations(task.image_operations, task.crop.size)
    classes, state = task.train.num_classes, state_template(task)
    step = make_step(
        task.loss,
        task.optimizer,
        task.pixels,
        classes,
        task.batch_operations,
        task.accumulate_steps,
        task.ema_decay,
        task.frozen_params,
    )
    predict = predictor(task.predict or Logits(task.model), task.pixels, classes)
    share, mapped = device_shares(task.batch_size, task.accumulate_steps), map_step(step)
    images = jax.ShapeDtypeStruct((*share, task.crop.size, task.crop.size, 3), np.uint8)
    batch: Any = {"image": images, "label": jax.ShapeDtypeStruct(share, np.int32)}
    constants = jax.device_put({"seed": np.uint32(task.seed), "frozen": task.frozen}, replicated())
    jax.eval_shape(mapped, state, batch, constants)
    jax.eval_shape(predict, state.variables(), images, constants["frozen"])
    return mapped, (state, batch, constants)


def initial_state(task: Task) -> TrainState:
    """The state before the first step, on every device."""
    # It runs once, so it is compiled without optimisation (GoogLeNet: 3 s instead of 10 on two cores).
    compiled = functools.partial(
        jax.jit, out_shardings=replicated(), compiler_options={"xla_backend_optimization_level": 0}
    )
    if task.init is None or callable(task.init):
        return compiled(functools.partial(_start, task))(jax.random.key(task.seed))
    return compiled(functools.partial(_begun, task))(dict(task.init))


def state_template(task: Task) -> TrainState:
    """Shapes, types and places of a state."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated()),
        jax.eval_shape(functools.partial(_start, task), jax.random.key(task.seed)),
    )


def _start(task: Task, key: jax.Array) -> TrainState:
    return _begun(task, task.initial(key))


def _begun(task: Task, variables: Mapping[str, Any]) -> TrainState:
    return start_state(variables, task.optimizer, ema=task.ema_decay > 0, frozen_params=task.frozen_params)


def as_classifier(task: Task, state: TrainState, config: dict[str, Any]) -> Classifier:
    """The network as evaluation uses it; `config` is the task's identity."""
    return Classifier(
        name=task.name or type(task.model).__name__,
        model=task.model,
        pixels=task.pixels,
        variables=state.variables(),
        crop=task.test_crop,
        classes=task.train.class_names,
        config={"step": int(state.step), **config},
        predict=task.predict,
        frozen=task.frozen,
    )


def _train(
    task: Task,
    mapped: Step,
    state: TrainState,
    constants: dict[str, Any],
    run: Run,
    checkpoints: Checkpoints,
    continues: str | None,
) -> Result:
    start, options, first = int(state.step), run.options, jax.process_index() == 0
    if first:
        _forget_after(run.directory / "metrics.jsonl", start)
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
    checkpoint_steps = _steps(task, options.checkpoint_every)
    evaluation_steps = _steps(task, options.evaluate_every) if options.evaluate_every else task.steps

    def save(state: TrainState) -> None:
        checkpoints.save(to_global(state), keep=decided_by_first(lambda: best_steps(run.directory, run.config))[:1])

    def stopped(step: int, number: int) -> Interrupted:
        saved = f"stopped after step {step} of {task.steps}, which is saved"
        return Interrupted(f"{saved}; the same command continues from there", number)

    before = None
    with contextlib.ExitStack() as stack:
        writer = MetricsWriter(run.directory, task.steps, start, task.batch_size, active=first)
        stack.callback(writer.close)
        stack.callback(batches.close)
        stop_now = stack.enter_context(stop_requests())
        if continues:
            writer.say(continues)
            if 0 < options.profile <= start:
                writer.say(f"step {options.profile} is done already, so there will be no trace of it")
            done = decided_by_first(lambda: list(evaluations(run.directory, run.config)))
            if start % evaluation_steps == 0 and start not in (task.steps, *done):
                _evaluate(task, state, run, writer.say)  # the run was stopped before it was done
        awaited = writer.awaited(map(split_over_devices, batches))
        try:
            for step, batch in zip(range(start + 1, task.steps + 1), awaited, strict=False):  # batches never end
                if first and step == options.profile:  # processes of one host would write over one another's traces
                    state, metrics = traced(run.directory / "profile", mapped, state, batch, constants)
                else:
                    state, metrics = mapped(state, batch, constants)
                # The devices start on this step while the last one's end is awaited, but never run further ahead.
                jax.block_until_ready(before)
                before = metrics
                writer.advance(step)
                last, logs = step == task.steps, step % options.log_every == 0
                stop = stop_now(step)
                evaluates = step % evaluation_steps == 0 and not last
                saves = step % checkpoint_steps == 0 or evaluates or last or stop
                if logs or saves:
                    values = {name: float(value) for name, value in metrics.items()}
                    if logs or last or not is_finite(values):
                        writer.write(step, values)
                        if options.on_metrics:
                            options.on_metrics(step, values)
                    check_finite(step, values)
                if saves:
                    save(state)
                if stop and not last:
                    raise stopped(step, stop)
                if evaluates:
                    _evaluate(task, state, run, writer.say)
        except OSError as error:
            # A signal to the whole group also ends processes that decode images, if it finds them starting.
            stop = stop_now(int(state.step)) if jax.process_count() == 1 else 0
            if not stop:
                raise
            save(state)  # unless this step is saved already
            raise stopped(int(state.step), stop) from error
    return _evaluate(task, state, run, writer.say)


def is_finite(metrics: Mapping[str, float]) -> bool:
    """Whether the loss and the gradient's norm are numbers."""
    return math.isfinite(metrics["loss"]) and math.isfinite(metrics["gradient_norm"])


def check_finite(step: int, metrics: Mapping[str, float]) -> None:
    """Raises Diverged unless they are."""
    if not is_finite(metrics):
        raise Diverged(
            f"step {step} has a loss of {metrics['loss']:g} and a gradient of norm {metrics['gradient_norm']:g}, so "
            "the run has ended; its last checkpoint is from before. Lower the learning rate, clip the gradient, or "
            "warm up for longer"
        )


def _steps(task: Task, epochs: float) -> int:
    return max(1, round(epochs * len(task.train) / task.batch_size))


def _evaluate(task: Task, state: TrainState, run: Run, say: Callable[[str], None]) -> Result:
    result = _measure(task, state, run)
    say(summary(result))
    if jax.process_index() == 0:
        known = evaluations(run.directory, run.config).get(result.config["step"])
        if result != known:  # which a run that was stopped may evaluate again
            append_result(run.directory, result)
    return result


def _measure(task: Task, state: TrainState, run: Run) -> Result:
    classifier = as_classifier(task, state, run.config)
    return measure(
        [classifier],
        task.evaluation,
        classifier.config,
        batch_size=task.batch_size,
        workers=run.options.workers,
        max_corrupt=run.options.max_corrupt,
    )


def _forget_after(path: Path, step: int) -> None:
    """Removes the metrics of steps that will be computed again."""
    records = read_lines(path)
    if any(record["step"] > step for record in records):
        path.unlink()
        for record in records:
            if record["step"] <= step:
                append_line(path, record)
