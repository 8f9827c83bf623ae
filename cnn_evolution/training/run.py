"""A recipe made concrete: the network, the images and the update rule that it names, checked before anything runs."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict

from cnn_evolution.catalogue import create_model, model_info
from cnn_evolution.data import (
    CenterCrop,
    FixedScaleCrop,
    ImageSource,
    InceptionCrop,
    ScaleJitterCrop,
    open_source,
)
from cnn_evolution.evaluation.errors import Member, evaluate
from cnn_evolution.evaluation.results import Result, make_result
from cnn_evolution.parallel import AXIS, check_batch_size, replicated
from cnn_evolution.pixels import Pixels
from cnn_evolution.spec import ModelSpec
from cnn_evolution.training.checkpoint import load_state
from cnn_evolution.training.optimizer import make_optimizer, make_schedule
from cnn_evolution.training.recipe import Recipe, from_json
from cnn_evolution.training.state import TrainState, init_state, start_state
from cnn_evolution.weights.pretrained import PretrainedWeights, find_weights, load_pretrained, parse_pretrained


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run needs besides its recipe; nothing here changes its outcome.

    Attributes:
      data_dir: Where prepared data sets lie; None for the default place.
      workers: Processes that decode images; 0 decodes in threads of this process.
      log_every: Steps between two lines of metrics.
      checkpoint_every: Epochs between two checkpoints; there is always one at the end.
      evaluate_every: Epochs between two evaluations; 0 evaluates at the end only.
      max_corrupt: Images that may turn out unreadable before the run stops.
    """

    data_dir: Path | None = None
    workers: int = 0
    log_every: int = 50
    checkpoint_every: float = 1.0
    evaluate_every: float = 0.0
    max_corrupt: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that a recipe determines before the first step, checked."""

    recipe: Recipe
    spec: ModelSpec
    model: nn.Module
    train: ImageSource
    evaluation: ImageSource
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    weights: PretrainedWeights | None
    steps_per_epoch: float
    steps: int

    def init(self) -> TrainState:
        """The state before the first step, on every device.

        Raises:
          ValueError, OSError, ModuleNotFoundError: The published weights that the recipe asks for cannot be loaded
            (see `load_pretrained`), or do not fit its network.
        """
        # It runs once, so it is compiled without optimisation (GoogLeNet: 3 s instead of 10 on two cores).
        compiled = functools.partial(
            jax.jit, out_shardings=replicated(), compiler_options={"xla_backend_optimization_level": 0}
        )
        if self.recipe.model.pretrained is None:
            return compiled(self._init)(self.recipe.seed)
        start = functools.partial(start_state, optimizer=self.optimizer, ema=self.recipe.ema_decay > 0)
        return compiled(start)(self._pretrained(self.recipe.model.pretrained))

    def abstract_state(self) -> TrainState:
        """Shapes, types and places of a state, into which a checkpoint is restored."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated()),
            jax.eval_shape(self._init, self.recipe.seed),
        )

    def _init(self, seed: int) -> TrainState:
        return init_state(self.model, self.optimizer, seed, self.recipe.data.size, ema=self.recipe.ema_decay > 0)

    def _pretrained(self, text: str) -> dict[str, Any]:
        """Published weights for the classes of the training split, checked against this run's network."""
        variables = load_pretrained(
            self.recipe.model.name,
            num_classes=self.train.num_classes,
            key=jax.random.key(self.recipe.seed),
            **parse_pretrained(text)._asdict(),
        )
        variables.setdefault("batch_stats", {})
        abstract = self.abstract_state()
        own = flatten_dict({"params": abstract.params, "batch_stats": abstract.batch_stats}, sep="/")
        theirs = flatten_dict(variables, sep="/")
        other = [name for name in own | theirs if jnp.shape(own.get(name)) != jnp.shape(theirs.get(name))]
        if other:
            raise ValueError(
                f"the weights of {text!r} do not fit this run's network in {len(other)} arrays, the first of them "
                f"{other[0]}; expected model.width 1 and, for fully connected layers after a map, images of "
                f"{self.spec.input_size} pixels"
            )
        return variables

    @property
    def pixels(self) -> Pixels:
        """The scale of the pixels that the recipe asks for, or that published weights were trained on."""
        if self.weights is not None:
            return Pixels(self.weights.mean, self.weights.std)
        if self.recipe.data.pixels == "centred":
            return Pixels(self.spec.mean, (1 / 255,) * 3)
        return Pixels(self.spec.mean, self.spec.std)

    def member(self, state: TrainState) -> Member:
        """The network as evaluation uses it."""
        data = self.recipe.data
        return Member(
            name=self.recipe.model.name,
            model=self.model,
            pixels=self.pixels,
            variables=state.variables(),
            crop=CenterCrop(size=data.size, resize=data.evaluation_resize),
            config={"step": int(state.step), "recipe": dataclasses.asdict(self.recipe)},
        )


def build_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's network, in its small-image form if the images are small.

    Raises:
      ValueError: As `create_model`.
    """
    return create_model(
        recipe.model.name,
        num_classes=num_classes,
        dtype=jnp.dtype(recipe.dtype),
        axis_name=AXIS if recipe.batch_statistics == "synchronised" else None,
        width=recipe.model.width,
        input_size=recipe.data.size,
        **recipe.model.options(),
    )


def train_crop(recipe: Recipe) -> Any:
    """The recipe's random crop."""
    size, config = recipe.data.size, recipe.augment
    match config.crop:
        case "fixed_scale":
            return FixedScaleCrop(size=size, resize=config.resize, flip=config.flip)
        case "scale_jitter":
            return ScaleJitterCrop(size=size, low=config.resize, high=config.resize_high, flip=config.flip)
        case "inception":
            return InceptionCrop(size=size, area=(config.min_area, 1.0), flip=config.flip)


def prepare(recipe: Recipe, options: RunOptions) -> Run:
    """Checks a recipe against the catalogue, the data and the devices; computes and writes nothing.

    Raises:
      ValueError: The recipe fits one of them not; says which value and what would fit.
      FileNotFoundError: The data set is not there; says how to prepare it.
    """
    check_batch_size(recipe.batch_size, recipe.accumulate_steps)
    spec = model_info(recipe.model.name)
    build_model(recipe, 1)  # a wrong model is the cheapest mistake to find, so it is looked for before the data
    weights = None
    if recipe.model.pretrained is not None:
        choice = parse_pretrained(recipe.model.pretrained)
        weights = find_weights(recipe.model.name, source=choice.source, tag=choice.tag)
    train_crop(recipe)
    source = open_source(recipe.data.dataset, recipe.data.train_split, data_dir=options.data_dir)
    evaluation = open_source(recipe.data.dataset, recipe.data.evaluation_split, data_dir=options.data_dir)
    model = build_model(recipe, source.num_classes)
    steps_per_epoch = len(source) / recipe.batch_size
    steps = max(1, round(recipe.epochs * steps_per_epoch))
    schedule = make_schedule(recipe.schedule, recipe.optimizer.learning_rate, steps_per_epoch, steps)
    return Run(
        recipe=recipe,
        spec=spec,
        model=model,
        train=source,
        evaluation=evaluation,
        schedule=schedule,
        optimizer=make_optimizer(recipe.optimizer, schedule),
        weights=weights,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
    )


def load_run(run_dir: Path, options: RunOptions) -> tuple[Run, TrainState]:
    """A trained run and the state of its newest checkpoint.

    Raises:
      FileNotFoundError: The directory holds no run, or a run without a checkpoint.
    """
    path = run_dir / "recipe.json"
    if not path.exists():
        raise FileNotFoundError(f"{run_dir} holds no run (it has no recipe.json)")
    run = prepare(from_json(path.read_text()), options)
    return run, load_state(run_dir / "checkpoints", run.abstract_state(), run.recipe)


def evaluate_runs(
    run_dirs: Sequence[Path], options: RunOptions, *, split: str | None = None, batch_size: int | None = None
) -> Result:
    """Errors of a trained run, or of several whose probabilities are averaged.

    Args:
      run_dirs: Directories of runs on one data set.
      options: Of which `data_dir` and `workers` matter.
      split: None for the evaluation split of the first run's recipe.
      batch_size: Images per step over all devices; None for that of the first run's recipe.

    Raises:
      ValueError: There is no run, or the runs are on several data sets.
      FileNotFoundError: A directory holds no run, or a run without a checkpoint.
    """
    if not run_dirs:
        raise ValueError("there is nothing to evaluate; expected the directory of at least one run")
    loaded = [load_run(directory, options) for directory in run_dirs]
    recipe = loaded[0][0].recipe
    datasets = dict.fromkeys(run.recipe.data.dataset for run, _ in loaded)
    if len(datasets) > 1:
        raise ValueError(f"an ensemble needs runs on one data set; these are on {' and '.join(map(repr, datasets))}")
    source = open_source(recipe.data.dataset, split or recipe.data.evaluation_split, data_dir=options.data_dir)
    members = [run.member(state) for run, state in loaded]
    errors = evaluate(members, source, batch_size=batch_size or recipe.batch_size, workers=options.workers)
    return make_result(members, source, errors, {"runs": [member.config for member in members]})
