"""Data sets, crops and the reader. Importing this imports neither TFDS nor Grain; using it does."""

from cnn_evolution.data.batch import ABSENT, Batch, present
from cnn_evolution.data.decoding import CorruptImageError
from cnn_evolution.data.reader import evaluation_batches, train_batches
from cnn_evolution.data.sources import ImageSource, default_data_dir, open_source
from cnn_evolution.data.transforms import CenterCrop, FixedScaleCrop, InceptionCrop, ScaleJitterCrop, TrainingCrop

__all__ = [
    "ABSENT",
    "Batch",
    "CenterCrop",
    "CorruptImageError",
    "FixedScaleCrop",
    "ImageSource",
    "InceptionCrop",
    "ScaleJitterCrop",
    "TrainingCrop",
    "default_data_dir",
    "evaluation_batches",
    "open_source",
    "present",
    "train_batches",
]
