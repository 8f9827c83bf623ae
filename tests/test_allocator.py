import platform
import subprocess
import sys

import pytest

# Frees and takes 64 MiB again, and counts the pages that the kernel had to supply for it.
SCRIPT = """
import resource, sys
import numpy as np
if sys.argv[1] == "reuse":
    from cnn_evolution.allocator import reuse_large_buffers
    assert reuse_large_buffers()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    return int(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to set outside glibc")
def test_freed_buffers_are_used_again_instead_of_fetched_from_the_system():
    pages = 8 * 2**26 // 4096
    assert faults("reuse") < pages / 100 < faults("default")
