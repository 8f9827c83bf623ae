"""Keeps freed memory for the next large buffer instead of returning it to the operating system.

A training step on a CPU allocates and frees its activations at every turn. glibc takes each large buffer fresh from the
kernel, which hands it out page by page, filled with zeros: a narrow ResNet-18 (48 pixels, batch 64) spends 65,000 page
faults a step that way, and adding 1 to 52 MB takes 12 ms instead of 4.
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # <malloc.h>


def reuse_large_buffers() -> bool:
    """Tells glibc to keep freed buffers for reuse; returns whether it could.

    Call it first in a program, before JAX is imported: a thread that runs already keeps its own heap. It changes
    nothing but speed: steps of small networks take about 5 to 10% less time, compilation about 1 s more. The process
    holds on to the most memory that it ever used. Elsewhere than on Linux with glibc it does nothing.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    settings = {
        _M_MMAP_MAX: 0,  # no mapping of its own for a large buffer
        _M_ARENA_MAX: 1,  # one heap for all threads; further ones end at 64 MB and map what is larger all the same
        _M_TRIM_THRESHOLD: -1,  # never shrink the heap
    }
    libc = ctypes.CDLL(None)
    return all([libc.mallopt(name, value) for name, value in settings.items()])
