"""A network with its weights and what belongs to them: how its images are prepared, and what its answers mean."""

import dataclasses
import functools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
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

_AT_ONCE = 32  # images of a full batch


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

    def predict(
        self, images: "Photo | Iterable[Photo]", k: int = 5, *, upright: bool = False
    ) -> list[list[tuple[str, float]]]:
        """The most probable classes of each image.

        Args:
          images: One image, or several, each as `preprocess` takes it; an array (N, H, W, 3) is N images.
          k: How many classes.
          upright: As `probabilities`.

        Returns:
          For every image, of a single one too, the `k` most probable classes with their probabilities, the most
          probable first.

        Raises:
          ValueError: `k` is no number from 1 to that of the classes, or as `probabilities`.
          FileNotFoundError, TypeError, FloatingPointError: As `probabilities`.
        """
        self.check_k(k)
        return [
            [(self.classes[label], float(row[label])) for label in most_probable(row, k)]
            for row in self.probabilities(images, upright=upright)
        ]

    def check_k(self, k: int) -> None:
        """Raises ValueError unless `k` is a number of classes that an answer can have."""
        if not self.classes:
            raise ValueError("this network has no classes, since it was built without its last layer")
        if not 1 <= k <= len(self.classes):
            raise ValueError(f"k is {k}; expected 1 to {len(self.classes)}, the number of classes")

    def probabilities(self, images: "Photo | Iterable[Photo]", *, upright: bool = False) -> NDArray[np.float32]:
        """The probabilities of all classes, of each image.

        Images are decoded in threads while the network computes. Two programs serve any number of images: full batches
        go to one, what remains goes to the other, one by one.

        Args:
          images: One image, or several, each as `preprocess` takes it; an array (N, H, W, 3) is N images.
          upright: Turn photographs as their EXIF data says, which `preprocess` and evaluation do not.

        Returns:
          (N, classes), where N is 1 for a single image.

        Raises:
          ValueError: The network has no classes, or as `preprocess`.
          FileNotFoundError, TypeError: As `preprocess`.
          FloatingPointError: Probabilities are no numbers.
        """
        self.check_k(1)
        photos: list[Any] = [images] if _is_one(images) else list(images)  # type: ignore[arg-type]
        rows: list[Any] = [np.zeros((0, len(self.classes)), np.float32)]
        with ThreadPoolExecutor() as threads:
            for first in range(0, len(photos), _AT_ONCE):
                opened = threads.map(lambda photo: self.crop(_opened(photo, upright)), photos[first : first + _AT_ONCE])
                crops = np.stack(list(opened))
                jax.block_until_ready(rows[-1])  # so that no more than two batches are held
                size = _AT_ONCE if len(crops) == _AT_ONCE else 1
                for batch in np.split(crops, len(crops) // size):
                    rows.append(_probabilities(self.model, self.pixels, self._placed, batch))
        found = np.concatenate(rows)
        if bad := int((~np.isfinite(found)).any(-1).sum()):
            raise FloatingPointError(f"{bad} of {len(photos)} images get probabilities that are no numbers")
        return found

    @functools.cached_property
    def _placed(self) -> Any:
        """The variables where JAX computes."""
        return jax.device_put(self.variables)


@functools.partial(jax.jit, static_argnums=1)
def _normalised(images: Array, pixels: Pixels) -> Array:
    """Compiled as in evaluation, where XLA multiplies by the inverse of a constant instead of dividing by it."""
    return normalise(images, *pixels)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _probabilities(model: nn.Module, pixels: Pixels, variables: Any, images: Array) -> Array:
    logits: Any = model.apply(variables, normalise(images, *pixels))
    return jax.nn.softmax(logits.astype(np.float32))


def most_probable(probabilities: NDArray[np.float32], k: int) -> list[int]:
    """The `k` most probable labels, the most probable first, of probabilities (classes,)."""
    return np.argsort(-probabilities, kind="stable")[:k].tolist()


def _is_one(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim != 4
    return isinstance(images, (str, Path, bytes)) or not isinstance(images, Iterable)


def _opened(image: Any, upright: bool = False) -> "Image":
    """An image as Pillow has it, in mode RGB."""
    with needed_for("reading images"):
        from PIL.Image import Image
        from PIL.ImageOps import exif_transpose

        from cnn_evolution.data.decoding import CorruptImageError, as_rgb, open_pillow

    if isinstance(image, Image):
        return as_rgb(exif_transpose(image) if upright else image)
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
        return open_pillow(data, upright=upright)
    except CorruptImageError as error:
        raise CorruptImageError(f"{where} is no intact image: {error}") from error
