"""Two CPU devices, so that every test of data parallelism is one; must be set before jax starts."""

import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"
