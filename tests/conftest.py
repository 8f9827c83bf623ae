"""Two CPU devices, so that every test of data parallelism is one; a data directory that goes with the tests; haste.

The environment must be set before jax starts and before a data set is opened; processes that tests start inherit it.
"""

import gc
import os
import tempfile

# Tests compile more than they compute: DenseNet-201's training forward in 3 s instead of 10. These are flags of the
# jaxlib that requirements.txt names; another may lack one, and says so.
HASTY = (
    "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE",
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
os.environ["XLA_FLAGS"] = " ".join(
    (os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=2", *HASTY)
)
os.environ["JAX_PLATFORMS"] = "cpu"
gc.set_threshold(100_000)  # tracing makes many objects that stay

_data = tempfile.TemporaryDirectory(prefix="cnn_evolution_tests_")
os.environ["CNN_EVOLUTION_DATA"] = _data.name
