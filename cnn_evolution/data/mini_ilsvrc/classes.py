"""The 100 classes: pairs of a shape and a surface texture.

Twelve shapes and twelve textures make 144 pairs, of which 100 are classes: shape number s lacks its "next" textures
s, s + 1, s + 2 (and s + 3 for the first eight shapes), modulo 12. So neither cue alone tells the class: a shape leaves
8 or 9 textures, a texture 8 or 9 shapes, which is more than five, so top-5 error needs both too.

The 44 pairs left out are the cue conflicts: the shape of some class with the texture of another, and no class has
both. A network that sees one must side with the shape or with the texture, which is how texture bias is measured
(Geirhos et al. 2019). If all pairs were classes, there would be nothing to be in conflict.
"""

from cnn_evolution.data.mini_ilsvrc.shapes import SHAPE_FUNCTIONS
from cnn_evolution.data.mini_ilsvrc.textures import TEXTURE_FUNCTIONS

SHAPES: tuple[str, ...] = tuple(SHAPE_FUNCTIONS)
TEXTURES: tuple[str, ...] = tuple(TEXTURE_FUNCTIONS)


def _is_class(shape: int, texture: int) -> bool:
    return (texture - shape) % len(TEXTURES) >= (4 if shape < 8 else 3)


_PAIRS = [(shape, texture) for shape in range(len(SHAPES)) for texture in range(len(TEXTURES))]

CLASSES: tuple[tuple[int, int], ...] = tuple(pair for pair in _PAIRS if _is_class(*pair))
"""(shape, texture) of each class, by label."""

CONFLICTS: tuple[tuple[int, int], ...] = tuple(pair for pair in _PAIRS if not _is_class(*pair))
"""(shape, texture) of each pair that is no class."""

CLASS_NAMES: tuple[str, ...] = tuple(f"{TEXTURES[texture]}_{SHAPES[shape]}" for shape, texture in CLASSES)
