"""Recipes: everything that decides the outcome of a training run, as frozen data.

What does not decide it (where the data lie, how many workers decode them, how often a line is printed) is in the
options of a run. A recipe is the `config` of the task that `build` makes of it.
"""

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, Literal

Crop = Literal["fixed_scale", "scale_jitter", "inception"]


def _check(holds: bool, field: str, value: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{field} is {value!r}; expected {expected}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network.

    Attributes:
      name: A name in the catalogue (`python -m experiments.list_models`).
      width: Multiplies every channel count; 1 is the published network.
      depths: Blocks of each stage, for networks that count them; none keeps the published ones.
      stem_stride: Stride of the first convolution; None keeps the published one, or for images that are too small for
        it half of it.
      dropout: Rate of the dropout layers; None keeps the published one.
      initialisation: The paper's, or He et al. 2015 ("he"), which also starts networks that the paper's cannot start in
        a short run.
      zero_init_last: Start the last normalisation scale of every residual block at zero (Goyal et al. 2017).
      pretrained: Start from trained weights instead: those of a zoo (torchvision, timm, pytorchcv,
        efficientnet_lite_pytorch), with a tag where it has several (torchvision:IMAGENET1K_V2), or with a file of the
        zoo's weights (torchvision:resnet50.pth); or those of a run of this network, by its directory. The classifiers
        start anew if the data set has other classes. Images are then normalised as the weights were trained, whatever
        `data.pixels`.
    """

    name: str
    width: float = 1.0
    depths: tuple[int, ...] = ()
    stem_stride: int | None = None
    dropout: float | None = None
    initialisation: Literal["published", "he"] = "published"
    zero_init_last: bool = False
    pretrained: str | None = None

    def __post_init__(self):
        _check(self.width > 0, "model.width", self.width, "a number above 0")
        _check(all(depth >= 0 for depth in self.depths), "model.depths", self.depths, "no number below 0")
        _check(self.stem_stride is None or self.stem_stride > 0, "model.stem_stride", self.stem_stride, "at least 1")
        _check(self.dropout is None or 0 <= self.dropout < 1, "model.dropout", self.dropout, "a rate in [0, 1)")

    def options(self) -> dict[str, Any]:
        """The options of `create_model` that differ from the published network."""
        options: dict[str, Any] = {}
        if self.depths:
            options["depths"] = self.depths
        if self.stem_stride is not None:
            options["stem_stride"] = self.stem_stride
        if self.dropout is not None:
            options["dropout"] = self.dropout
        if self.initialisation != "published":
            options["initialisation"] = self.initialisation
        if self.zero_init_last:
            options["zero_init_last"] = True
        return options


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The images.

    Attributes:
      dataset: Name of a data set or path of a prepared one: mini_ilsvrc, imagenet2012, imagenette, cifar10, ...
      train_split: Split to train on.
      evaluation_split: Split to evaluate on; every one of its images counts once.
      size: Side of the square crop that the network sees, in pixels.
      evaluation_resize: Length of the short side, in pixels, before the centre crop of `size`.
      pixels: What the network sees: standardised (zero mean and unit deviation), or centred (0 to 255 minus the mean),
        which is what the papers before batch normalisation did and chose their initialisation for.
      mean: What is subtracted instead, of R, G and B, for pixels in [0, 1]; None for what `pixels` or the weights say.
      std: What is divided by then.
      upright: Turn images as their EXIF data says, which photographs from cameras may need. Published evaluations do
        not.
    """

    dataset: str = "imagenet2012"
    train_split: str = "train"
    evaluation_split: str = "validation"
    size: int = 224
    evaluation_resize: int = 256
    pixels: Literal["standardised", "centred"] = "standardised"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    upright: bool = False

    def __post_init__(self):
        _check(self.size > 0, "data.size", self.size, "a number of pixels above 0")
        both = (self.mean is None) == (self.std is None)
        _check(both, "data.std", self.std, f"three numbers if data.mean is stated, which is {self.mean}")
        _check(self.std is None or min(self.std) > 0, "data.std", self.std, "numbers above 0")
        _check(
            self.evaluation_resize >= self.size,
            "data.evaluation_resize",
            self.evaluation_resize,
            f"at least data.size, {self.size}",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How training images vary.

    Attributes:
      crop: fixed_scale (Krizhevsky et al. 2012: short side `resize`, centre square, random crop), scale_jitter
        (Simonyan & Zisserman 2015: short side random in [`resize`, `resize_high`], random crop), or inception (Szegedy
        et al. 2015: random area and aspect ratio).
      resize: Length of the short side, in pixels, for fixed_scale; its lower bound for scale_jitter.
      resize_high: Upper bound of the short side, in pixels, for scale_jitter.
      min_area: Smallest share of the image that an inception crop covers.
      flip: Mirror every second image.
      pca_noise: Standard deviation of the colour noise along ImageNet's principal components; 0 for none.
      mixup: Parameter of mixup's beta distribution (Zhang et al. 2018); 0 for none.
      cutmix: Parameter of CutMix's beta distribution (Yun et al. 2019); 0 for none. With both, each device's
        share of a batch draws one.
    """

    crop: Crop = "inception"
    resize: int = 256
    resize_high: int = 512
    min_area: float = 0.08
    flip: bool = True
    pca_noise: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self):
        _check(0 < self.min_area <= 1, "augment.min_area", self.min_area, "a share in (0, 1]")
        for field in ("pca_noise", "mixup", "cutmix"):
            _check(getattr(self, field) >= 0, f"augment.{field}", getattr(self, field), "a number of at least 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _UpdateRule:
    learning_rate: float
    weight_decay: float = 0.0
    decay_on: Literal["all", "kernels", "kernels_but_depthwise"] = "kernels"
    clip_norm: float = 0.0

    def __post_init__(self):
        _check(self.learning_rate > 0, "optimizer.learning_rate", self.learning_rate, "a number above 0")
        _check(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "a number of at least 0")
        for field in ("momentum", "decay", "b1", "b2"):
            value = getattr(self, field, 0)
            _check(0 <= value < 1, f"optimizer.{field}", value, "a number in [0, 1)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd(_UpdateRule):
    """Stochastic gradient descent with momentum, as torch has it; the defaults are ImageNet's usual ones.

    Attributes:
      learning_rate: Peak learning rate.
      momentum: Share of the last update that is kept.
      nesterov: Look ahead.
      weight_decay: Added to the gradient as weight_decay * weight.
      decay_on: What decays: all parameters, kernels only (no biases, no normalisation), or kernels but depthwise ones
        (Howard et al. 2017).
      clip_norm: Largest global norm of the gradient; 0 for no clipping.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class RmsProp(_UpdateRule):
    """TensorFlow's RMSProp, with its defaults: squared gradients start at 1 and epsilon is inside the square root.

    Attributes:
      learning_rate: Peak learning rate.
      momentum: Share of the last update that is kept.
      decay: Of the average of squared gradients.
      epsilon: Added to that average.
      weight_decay: Added to the gradient as weight_decay * weight.
      decay_on: As `Sgd.decay_on`.
      clip_norm: Largest global norm of the gradient; 0 for no clipping.
    """

    learning_rate: float = 1e-3
    momentum: float = 0.0
    decay: float = 0.9
    epsilon: float = 1e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(_UpdateRule):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019); the defaults are torch's.

    Attributes:
      learning_rate: Peak learning rate.
      b1: Decay of the average of gradients.
      b2: Decay of the average of squared gradients.
      epsilon: Added to the square root of that average.
      weight_decay: Taken off every step as learning_rate * weight_decay * weight.
      decay_on: As `Sgd.decay_on`.
      clip_norm: Largest global norm of the gradient; 0 for no clipping.
    """

    learning_rate: float = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 1e-2


Optimizer = Sgd | RmsProp | AdamW
OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__.lower(): kind for kind in typing.get_args(Optimizer)}
"""By the names that a command line takes: sgd, rmsprop, adamw."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """The learning rate over time, as a multiple of the peak.

    Attributes:
      name: constant, step, cosine, polynomial or exponential.
      warmup_epochs: Epochs of linear growth from 0 to the peak, before anything else.
      boundaries: Epochs at which `step` multiplies the rate by `factor`.
      factor: Of step and exponential.
      every_epochs: Epochs between two multiplications of `exponential`.
      power: Of polynomial, which falls to 0 at the end; 1 is linear.
    """

    name: Literal["constant", "step", "cosine", "polynomial", "exponential"] = "step"
    warmup_epochs: float = 0.0
    boundaries: tuple[float, ...] = (30.0, 60.0, 90.0)
    factor: float = 0.1
    every_epochs: float = 1.0
    power: float = 1.0

    def __post_init__(self):
        _check(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "a number of at least 0")
        _check(self.every_epochs > 0, "schedule.every_epochs", self.every_epochs, "a number above 0")
        _check(
            list(self.boundaries) == sorted(self.boundaries), "schedule.boundaries", self.boundaries, "rising epochs"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run.

    Attributes:
      model: The network.
      data: The images.
      augment: How training images vary.
      optimizer: The update rule: Sgd, RmsProp or AdamW.
      schedule: The learning rate over time.
      epochs: Passes over the training split.
      batch_size: Images per optimiser step, over all devices of all hosts.
      accumulate_steps: Parts in which each device computes its share of a batch, to save memory.
      label_smoothing: Share of the target spread evenly over all classes.
      aux_weight: Weight of each auxiliary classifier's loss.
      ema_decay: Decay of the moving averages of parameters and batch statistics that evaluation then uses; 0 for none.
      dtype: Compute type of the network; parameters, logits and losses are float32.
      batch_statistics: Batch normalisation over the whole batch (synchronised) or each device's share (per_replica).
      freeze: What keeps its weights, separated by commas: endpoints, as `experiments.cost_table NETWORK` lists them,
        shell patterns of endpoints, or of paths of layers and parameters (stem,stage[12],stage3_block1/*). "*" freezes
        all but the classifiers. Frozen parameters have no optimiser state.
      running_statistics: Which batch normalisations use their running statistics in training, and keep them: those that
        are frozen, all, or none.
      seed: Everything random derives from it.
    """

    model: ModelConfig
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    optimizer: Optimizer = dataclasses.field(default_factory=Sgd)
    schedule: ScheduleConfig = dataclasses.field(default_factory=ScheduleConfig)
    epochs: float = 90.0
    batch_size: int = 256
    accumulate_steps: int = 1
    label_smoothing: float = 0.0
    aux_weight: float = 0.3
    ema_decay: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch_statistics: Literal["synchronised", "per_replica"] = "per_replica"
    freeze: str = ""
    running_statistics: Literal["frozen", "all", "none"] = "frozen"
    seed: int = 0

    def __post_init__(self):
        _check(0 < self.epochs < math.inf, "epochs", self.epochs, "a finite number above 0")
        _check(self.batch_size > 0, "batch_size", self.batch_size, "a number of images above 0")
        _check(
            self.accumulate_steps > 0 and self.batch_size % self.accumulate_steps == 0,
            "accumulate_steps",
            self.accumulate_steps,
            f"a divisor of batch_size, {self.batch_size}",
        )
        _check(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "a share in [0, 1)")
        _check(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "a number in [0, 1)")
        _check(0 <= self.seed < 2**32, "seed", self.seed, "a whole number from 0 to 2**32 - 1")


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON has it; `from_dict` reads it back.

    Fields that runs of earlier versions do not know are left out where they ask for nothing, so that those runs are
    still the same.
    """
    values = dataclasses.asdict(recipe)
    for fields, name, nothing in (
        (values, "freeze", ""),
        (values, "running_statistics", "frozen"),
        (values["data"], "mean", None),
        (values["data"], "std", None),
        (values["data"], "upright", False),
    ):
        if fields[name] == nothing:
            del fields[name]
    return values | {"optimizer": {"type": type(recipe.optimizer).__name__.lower(), **values["optimizer"]}}


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """Reads what `to_dict` made.

    Raises:
      ValueError: A field is unknown or missing.
    """
    values = dict(values)
    if isinstance(values.get("optimizer"), Mapping):
        fields = dict(values["optimizer"])
        kind = fields.pop("type", None)
        _check(kind in OPTIMIZERS, "optimizer.type", kind, f"one of {', '.join(OPTIMIZERS)}")
        values["optimizer"] = _build(OPTIMIZERS[kind], fields, "optimizer.")
    return _build(Recipe, values, "")


def _build(kind: type, values: Mapping[str, Any], path: str) -> Any:
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise ValueError(f"unknown recipe field {path}{unknown[0]}; the fields here are {', '.join(hints)}")
    if missing := [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in values and f.default is f.default_factory is dataclasses.MISSING
    ]:
        raise ValueError(f"the recipe lacks the field {path}{missing[0]}")
    fields = {}
    for name, value in values.items():
        if isinstance(hints[name], type) and dataclasses.is_dataclass(hints[name]):
            value = _build(hints[name], value, f"{path}{name}.")
        elif isinstance(value, list):
            value = tuple(value)
        fields[name] = value
    return kind(**fields)
