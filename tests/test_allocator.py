"""Freed buffers are kept: writing to them again costs no page faults."""

import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's settings")

FAULTS = """
import resource, sys
from cnn_evolution.allocator import reuse_large_buffers
if sys.argv[1] == "reuse":
    assert reuse_large_buffers()
import numpy as np
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(50_000_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    """Page faults of the third 50 MB buffer in a fresh process."""
    return int(subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True).stdout)


@glibc
def test_a_large_buffer_is_reused():
    assert faults("reuse") < 20 <= faults("leave") / 10


def test_does_nothing_elsewhere(monkeypatch):
    from cnn_evolution import allocator

    monkeypatch.setattr(allocator.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    assert not allocator.reuse_large_buffers()
