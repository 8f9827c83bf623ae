"""Two CPU devices, so that every test of data parallelism is one, and a data directory that goes with the tests.

Both must be set before jax starts and before a data set is opened; processes that tests start inherit them.
"""

import os
import tempfile

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"

_data = tempfile.TemporaryDirectory(prefix="cnn_evolution_tests_")
os.environ["CNN_EVOLUTION_DATA"] = _data.name
