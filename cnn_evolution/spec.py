"""What an entry of the catalogue states."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One architecture, as published.

    Attributes:
      name: The name in the catalogue.
      family: The family's usual spelling, for example `"ResNet"`.
      year: Year of first publication.
      paper: The citation.
      build: The module class, or a partial of it, that `create_model` calls.
      params: Trainable parameters with 1000 classes, without auxiliary classifiers.
      macs: Multiply-accumulates of convolutions and fully connected layers for one image of `input_size`.
      aux_params: Parameters of the auxiliary classifiers, which only training needs.
      input_size: Side of the square input, in pixels.
      min_input_size: The smallest `input_size` that `create_model` accepts, in pixels.
      small_below: Images of fewer pixels are too small for the published stride of the first convolution, and
        `create_model` gives them `small_stem_stride`; None where every image can enter at the published stride.
      small_stem_stride: Half the published stride.
      mean: Per-channel mean of the inputs (R, G, B), for pixels in [0, 1].
      std: Per-channel standard deviation, likewise.
      deviations: How the module differs from the paper, and why; empty if it does not.
    """

    name: str
    family: str
    year: int
    paper: str
    build: Callable[..., nn.Module]
    params: int
    macs: int
    aux_params: int = 0
    input_size: int = 224
    min_input_size: int = 1
    small_below: int | None = None
    small_stem_stride: int = 1
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    deviations: str = ""
