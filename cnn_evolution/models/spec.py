"""What the registry knows of an architecture."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from cnn_evolution import analysis
from cnn_evolution.pixels import NORMALISATIONS

GIVEN = ("num_classes", "dtype", "axis_name")
"""The arguments that every build gets which names them."""


class Derived:
    """A number that a specification may state; otherwise it is computed when it is asked for."""

    def __init__(self, compute: Callable[["ModelSpec"], int]):
        self.compute = compute

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, spec: "ModelSpec | None", owner: type | None = None) -> int:
        if spec is None:
            return None  # type: ignore[return-value] # the default of the dataclass's field
        stated = vars(spec)[self.name]
        return self.compute(spec) if stated is None else stated

    def __set__(self, spec: "ModelSpec", value: int | None) -> None:
        vars(spec)[self.name] = value


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ModelSpec:
    """One architecture: its module, and what is known of it. `register` gives it a name.

    Attributes:
      name: Letters, digits, ".", "-" and "_".
      build: A Linen module class, a partial of one, or a function that returns a module. The module maps images
        (N, H, W, 3) to logits (N, num_classes), and takes `train`, False by default. The arguments that `build` names
        are the options of `create_model`; what it does not name cannot be chosen.
      family: The family's usual spelling, for example `"ResNet"`.
      year: Year of first publication.
      paper: The citation.
      params: Trainable parameters with `num_classes` classes, without auxiliary classifiers; None counts them.
      aux_params: Parameters of the auxiliary classifiers, which only training needs; None counts them.
      macs: Multiply-accumulates of convolutions and fully connected layers for one image of `input_size`; None counts
        them.
      num_classes: Size of the last layer; None takes the build's own default, or 1000 if it has none.
      input_size: Side of the square input, in pixels.
      min_input_size: The smallest `input_size` that `create_model` accepts, in pixels.
      small_below: Images of fewer pixels are too small for the published stride of the first convolution, and
        `create_model` halves the build's `stem_stride`; None where every image can enter at the published stride.
      mean: Per-channel mean of the inputs (R, G, B), for pixels in [0, 1].
      std: Per-channel standard deviation, likewise.
      deviations: How the module differs from the paper and from the zoos' forms, and why; empty if it does not.
      names: From a zoo's name, for example `"timm"`, to what it calls the layers
        (`cnn_evolution.pretrained.names.Names`); None where no file of weights is read or written, or where `module`
        has the tables.
      module: The file in `models/` that builds it, whose published recipe and names of layers it shares; empty for
        networks of other packages.

    Raises:
      ValueError: if a field is not what is stated here; names the field and its value.
    """

    name: str
    build: Callable[..., nn.Module]
    family: str
    year: int
    paper: str = ""
    params: Derived = Derived(lambda spec: spec._cost.params)
    aux_params: Derived = Derived(lambda spec: sum(spec._cost.unused.values()))
    macs: Derived = Derived(lambda spec: spec._cost.macs)
    num_classes: Derived = Derived(lambda spec: spec.default("num_classes", None) or 1000)
    input_size: int = 224
    min_input_size: int = 1
    small_below: int | None = None
    mean: tuple[float, float, float] = NORMALISATIONS["imagenet"].mean
    std: tuple[float, float, float] = NORMALISATIONS["imagenet"].std
    deviations: str = ""
    names: Mapping[str, Any] | None = None
    module: str = ""

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and re.fullmatch(r"[\w.-]+", self.name)
        self._check("name", named, "letters, digits, '.', '-' and '_'")
        for field in ("family", "paper", "deviations", "module"):
            self._check(field, isinstance(getattr(self, field), str), "a text")
        self._check("family", self.family.strip(), "the family's name")
        builds = callable(self.build) and not isinstance(self.build, nn.Module)
        self._check("build", builds, "a Linen module class, or a function that returns a module")
        for field in ("year", "input_size", "min_input_size"):
            self._check(field, _whole(getattr(self, field), 1), "a whole number above 0")
        self._check("min_input_size", self.min_input_size <= self.input_size, f"at most {self.input_size}, input_size")
        for field, least in (("params", 0), ("aux_params", 0), ("macs", 0), ("num_classes", 1), ("small_below", 1)):
            stated = vars(self)[field]
            self._check(field, stated is None or _whole(stated, least), f"a whole number from {least}, or None")
        for field in ("mean", "std"):
            self._check(field, _of_channels(getattr(self, field)), "three numbers, of R, G and B")
            vars(self)[field] = tuple(getattr(self, field))
        self._check("std", min(self.std) > 0, "numbers above 0")
        self._check("names", self.names is None or isinstance(self.names, Mapping), "a mapping from a zoo to its names")
        halves = self.small_below is None or self.default("stem_stride", 1) > 1
        self._check("small_below", halves, "None, as build has no stem_stride above 1 that could be halved")
        lacking = [name for name, default in self.options.items() if default is inspect.Parameter.empty]
        lacking = [name for name in lacking if name not in GIVEN]
        self._check("build", not lacking, f"a default for {', '.join(lacking)}, for example by functools.partial")

    @functools.cached_property
    def options(self) -> Mapping[str, Any]:
        """The keyword arguments that `build` names, with their defaults."""
        arguments = inspect.signature(self.build).parameters.values()
        return {
            one.name: one.default
            for one in arguments
            if one.name not in {"parent", "name"} and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
        }

    def default(self, option: str, otherwise: Any) -> Any:
        """What `build` takes for an option that is not given."""
        found = self.options.get(option, inspect.Parameter.empty)
        return otherwise if found is inspect.Parameter.empty else found

    def network(
        self, *, num_classes: int, dtype: Any = jnp.float32, axis_name: str | None = None, **options: Any
    ) -> nn.Module:
        """The module with these options; the first three only where it has them.

        Raises:
          ValueError: if what is built is no Linen module.
        """
        given = dict(zip(GIVEN, (num_classes, dtype, axis_name), strict=True))
        model = self.build(**{name: value for name, value in given.items() if name in self.options}, **options)
        if not isinstance(model, nn.Module):
            raise ValueError(f"build of {self.name} returns a {type(model).__name__}; expected a flax.linen.Module")
        return model

    def differences(self, other: "ModelSpec") -> dict[str, tuple[Any, Any]]:
        """The fields in which another specification says something else, with both values.

        Partials are equal if they call the same with the same arguments. Numbers that `other` leaves to be computed
        differ in nothing.
        """
        left_open = {name for name, value in vars(other).items() if value is None and name in _DERIVED}
        fields = [field.name for field in dataclasses.fields(self) if field.name not in left_open]
        pairs = {field: (getattr(self, field), getattr(other, field)) for field in fields}
        return {field: (ours, theirs) for field, (ours, theirs) in pairs.items() if _plain(ours) != _plain(theirs)}

    @functools.cached_property
    def _cost(self) -> analysis.Cost:
        return analysis.cost(self.network(num_classes=self.num_classes).clone(name=self.name), self.input_size)

    def _check(self, field: str, holds: Any, expected: str) -> None:
        if not holds:
            raise ValueError(f"{field} of the model {self.name!r} is {vars(self)[field]!r}; expected {expected}")


_DERIVED = {name for name, value in vars(ModelSpec).items() if isinstance(value, Derived)}


def _plain(value: Any) -> Any:
    """Partials, which Python tells apart even if they are alike, as what they consist of."""
    if isinstance(value, functools.partial):
        return _plain(value.func), [_plain(x) for x in value.args], {k: _plain(x) for k, x in value.keywords.items()}
    return value


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _of_channels(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 3 and all(isinstance(x, int | float) for x in value)
