"""What an entry of the catalogue states."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One architecture, as published: a line of `models/catalogue.csv` and the module that it names.

    Attributes:
      name: The name in the catalogue.
      module: The file in `models/` that builds it.
      family: The family's usual spelling, for example `"ResNet"`.
      year: Year of first publication.
      paper: The citation.
      build: The module class, or a partial of it, that `create_model` calls.
      params: Trainable parameters with the published number of classes, without auxiliary classifiers.
      aux_params: Parameters of the auxiliary classifiers, which only training needs.
      macs: Multiply-accumulates of convolutions and fully connected layers for one image of `input_size`.
      num_classes: Size of the published last layer: 1000, or 10 where the network was made for CIFAR-10.
      input_size: Side of the square input, in pixels.
      min_input_size: The smallest `input_size` that `create_model` accepts, in pixels.
      small_below: Images of fewer pixels are too small for the published stride of the first convolution, and
        `create_model` halves it; None where every image can enter at the published stride.
      mean: Per-channel mean of the inputs (R, G, B), for pixels in [0, 1].
      std: Per-channel standard deviation, likewise.
      deviations: How the module differs from the paper and from the zoos' forms, and why; empty if it does not.
    """

    name: str
    module: str
    family: str
    year: int
    paper: str
    build: Callable[..., nn.Module]
    params: int
    aux_params: int
    macs: int
    num_classes: int
    input_size: int
    min_input_size: int
    small_below: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    deviations: str
