"""mini_ilsvrc: the embedded data set, generated from a seed with NumPy and Pillow alone."""

from cnn_evolution.data.mini_ilsvrc.classes import CLASS_NAMES, CLASSES, CONFLICTS, SHAPES, TEXTURES
from cnn_evolution.data.mini_ilsvrc.scene import Difficulty, render

__all__ = ["CLASSES", "CLASS_NAMES", "CONFLICTS", "SHAPES", "TEXTURES", "Difficulty", "render"]
