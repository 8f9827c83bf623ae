"""Two CPU devices, so that every test of data parallelism is one; a data directory that goes with the tests; haste.

The environment must be set before jax starts and before a data set is opened; processes that tests start inherit it.
"""

import gc
import os
import tempfile
from importlib import metadata

from cnn_evolution.cpu_settings import EIGEN, JAXLIBS

# Tests compile more than they compute: DenseNet-201's training forward in 3 s instead of 10. XLA ends the process at a
# flag that it does not know.
HASTY = [
    "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE",
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
]
if metadata.version("jaxlib").startswith("0.10."):
    HASTY.append("--xla_cpu_use_fusion_emitters=false")
if metadata.version("jaxlib") in JAXLIBS:
    HASTY.append(EIGEN)  # as in command lines, which some tests compare with what this process computes
os.environ["XLA_FLAGS"] = " ".join(
    (os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=2", *HASTY)
)
os.environ["JAX_PLATFORMS"] = "cpu"
gc.set_threshold(100_000)  # tracing makes many objects that stay

_data = tempfile.TemporaryDirectory(prefix="cnn_evolution_tests_")
os.environ["CNN_EVOLUTION_DATA"] = _data.name

# Compiled programs are shared by all workers of this run and the processes that they start, which inherit the directory
# from the process that starts the workers.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="cnn_evolution_programs_", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs.name
os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] = "4000000000"  # which also locks the directory
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
