"""What the measurements are of, and with."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from typing import Any

import jax


def device_facts() -> Iterator[tuple[str, Any]]:
    """The kind and number of the devices that JAX finds, and the versions; as the work of a job."""
    libraries = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "torch", "torchvision")
    versions = {"python": platform.python_version()}
    for name in libraries:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    first = jax.devices()[0]
    yield (
        "device",
        {
            "kind": first.device_kind,
            "platform": first.platform,
            "count": jax.device_count(),
            "toy": first.platform == "cpu",
            "versions": versions,
        },
    )


def describe(device: Mapping[str, Any]) -> str:
    """The device and the versions, in one paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in device["versions"].items())
    toy = " Toy sizes, which show that everything runs and nothing else." if device["toy"] else ""
    return f"{device['count']} x {device['kind']} ({device['platform']}); {versions}.{toy}"
