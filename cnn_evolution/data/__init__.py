"""Data sets, crops and the reader. Importing this imports neither TFDS nor Grain; using it does."""

from cnn_evolution.needed import needed_for

with needed_for("cnn_evolution.data"):
    from cnn_evolution.data.batch import ABSENT, Batch, present
    from cnn_evolution.data.decoding import CorruptImageError
    from cnn_evolution.data.opening import default_data_dir, open_source
    from cnn_evolution.data.reader import ImageOperation, check_operations, evaluation_batches, train_batches
    from cnn_evolution.data.sources import ArraySource, ImageSource, RecordedSource, first_difference
    from cnn_evolution.data.transforms import CenterCrop, FixedScaleCrop, InceptionCrop, ScaleJitterCrop, TrainingCrop
    from cnn_evolution.data.workers import Workers

__all__ = [
    "ABSENT",
    "ArraySource",
    "Batch",
    "CenterCrop",
    "CorruptImageError",
    "FixedScaleCrop",
    "ImageOperation",
    "ImageSource",
    "InceptionCrop",
    "RecordedSource",
    "ScaleJitterCrop",
    "TrainingCrop",
    "Workers",
    "check_operations",
    "default_data_dir",
    "evaluation_batches",
    "first_difference",
    "open_source",
    "present",
    "train_batches",
]
