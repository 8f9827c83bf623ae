"""A network with its weights and what belongs to them: how its images are prepared, and what its answers mean."""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from cnn_evolution.needed import needed_for
from cnn_evolution.pixels import Pixels, normalise
from cnn_evolution.pretrained.published import PublishedWeights

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnn_evolution.data import CenterCrop

    Photo = str | Path | bytes | Image | NDArray[np.uint8]
    """A file's path, its bytes, Pillow's image of it, or RGB as uint8 (H, W, 3)."""

_AT_ONCE = 32  # images that `predict` computes together


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A network with its weights.

    Attributes:
      model: The module.
      variables: Its weights and running statistics, as NumPy arrays.
      pixels: The scale of the pixels that it takes.
      crop: How the images are cut that it is evaluated on.
      classes: Their names, by label; the labels as text where no names are known, and none where the module gives no
        logits (`num_classes=0`, `until`).
      weights: What the zoo states of the weights; None for a run, and where no zoo lists them.
    """

    model: nn.Module
    variables: Any = dataclasses.field(repr=False)
    pixels: Pixels
    crop: "CenterCrop"
    classes: tuple[str, ...] = dataclasses.field(repr=False)
    weights: PublishedWeights | None = None

    def preprocess(self, image: "Photo") -> NDArray[np.float32]:
        """An image as evaluation prepares it, to the bit: decoded, resized, cropped, normalised.

        Args:
          image: A file's path, its bytes, a Pillow image, or RGB as uint8 (H, W, 3).

        Returns:
          (S, S, 3), where S is `crop.size`.

        Raises:
          FileNotFoundError: There is no such file.
          ValueError: It is no intact image, or an array of another shape or type.
          TypeError: It is something else.
        """
        return np.asarray(_normalised(self.crop(_opened(image))[None], self.pixels)[0])

    def predict(self, images: "Photo | Iterable[Photo]", k: int = 5) -> list[list[tuple[str, float]]]:
        """The most probable classes of each image.

        Args:
          images: One image, or several, each as `preprocess` takes it; an array (N, H, W, 3) is N images.
          k: How many classes.

        Returns:
          For every image, of a single one too, the `k` most probable classes with their probabilities, the most
          probable first.

        Raises:
          ValueError: `k` is no number from 1 to that of the classes, or as `preprocess`.
          FileNotFoundError, TypeError: As `preprocess`.
        """
        if not self.classes:
            raise ValueError("this network has no classes, since it was built without its last layer")
        if not 1 <= k <= len(self.classes):
            raise ValueError(f"k is {k}; expected 1 to {len(self.classes)}, the number of classes")
        photos: list[Any] = [images] if _is_one(images) else list(images)  # type: ignore[arg-type]
        answers = []
        for first in range(0, len(photos), _AT_ONCE):
            batch = np.stack([self.preprocess(photo) for photo in photos[first : first + _AT_ONCE]])
            for row in np.asarray(_probabilities(self.model, self._placed, batch)):
                best = np.argsort(-row, kind="stable")[:k]
                answers.append([(self.classes[label], float(row[label])) for label in best])
        return answers

    @functools.cached_property
    def _placed(self) -> Any:
        """The variables where JAX computes."""
        return jax.device_put(self.variables)


@functools.partial(jax.jit, static_argnums=1)
def _normalised(images: Array, pixels: Pixels) -> Array:
    """Compiled as in evaluation, where XLA multiplies by the inverse of a constant instead of dividing by it."""
    return normalise(images, *pixels)


@functools.partial(jax.jit, static_argnums=0)
def _probabilities(model: nn.Module, variables: Any, images: Array) -> Array:
    logits: Any = model.apply(variables, images)
    return jax.nn.softmax(logits.astype(np.float32))


def _is_one(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim != 4
    return isinstance(images, (str, Path, bytes)) or not isinstance(images, Iterable)


def _opened(image: Any) -> "Image":
    """An image as Pillow has it, in mode RGB."""
    with needed_for("reading images"):
        from PIL.Image import Image

        from cnn_evolution.data.decoding import CorruptImageError, as_rgb, open_pillow

    if isinstance(image, Image):
        return as_rgb(image)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
            raise ValueError(f"the image is {image.dtype} {image.shape}; expected RGB as uint8 (H, W, 3)")
        return open_pillow(image)
    if isinstance(image, bytes):
        where, data = "the image", image
    elif isinstance(image, (str, Path)):
        path = Path(image).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"there is no image {path}")
        where, data = str(path), path.read_bytes()
    else:
        raise TypeError(
            f"the image is a {type(image).__name__}; expected a path, bytes, a Pillow image or uint8 (H, W, 3)"
        )
    try:
        return open_pillow(data)
    except CorruptImageError as error:
        raise CorruptImageError(f"{where} is no intact image: {error}") from error
