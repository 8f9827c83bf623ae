"""Settings of a process that computes on a CPU: the library of XLA's convolutions, and memory that is kept.

XLA's CPU compiler gives what remains of its own convolutions to one of two libraries, YNNPACK or Eigen. jaxlib 0.10
prefers YNNPACK; Eigen is the faster one for nearly every convolution of these networks, and for gradients of kernels by
far. The only way to say so is a flag that XLA reads once, in `XLA_FLAGS`.

By default glibc gives every freed buffer of more than a few megabytes back to the system, so all of a network's maps
are fetched again, and zeroed by the kernel page by page, in every step. glibc reads its settings when a process starts,
and only there they reach the threads that XLA computes in: `mallopt` sets them for the main thread's memory alone. So a
process that wants them starts itself again.

Both are for this process alone: `os.environ` is what it was before, so that processes that it starts, with another
jaxlib or as decode workers, inherit neither. Nothing large is imported here, so that starting again costs little.
"""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Mapping

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
EIGEN = f"{FLAG}=-individual_convolution"
# XLA ends the process at a flag that it does not know, and with jaxlib 0.11.2 YNNPACK is no slower for ResNet-50.
JAXLIBS = ("0.10.2",)

# <https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html>
TUNABLES = {
    "glibc.malloc.hugetlb": 1,  # what must be fetched comes in pages of 2 MB, where the kernel leaves the choice
    "glibc.malloc.mmap_max": 0,  # no buffer is mapped by itself, and unmapped when it is freed
    "glibc.malloc.trim_threshold": 10**12,  # bytes at the end of the heap that are kept
}
STARTED_AGAIN = "CNN_EVOLUTION_STARTED_AGAIN"  # holds what GLIBC_TUNABLES was before


def prepare_cpu() -> None:
    """Makes these settings for a script or a command, which should call it before anything else.

    On Linux with glibc the process starts itself again with the same command line, so what the script did before is
    done twice; a notebook, an interactive session or a worker keeps its process and gets XLA's flag only. Does nothing
    where JAX will compute on another device, and leaves alone what the user has set in `XLA_FLAGS` or `GLIBC_TUNABLES`.
    XLA reads its flags once, so nothing may have been computed before.
    """
    if not computes_on_cpu(os.environ):
        return
    if not _started_again() and _can_start_again():
        start_again(os.environ)
    prefer_eigen()


def computes_on_cpu(environment: Mapping[str, str]) -> bool:
    """Whether JAX will compute on a CPU: `JAX_PLATFORMS` says so, or no accelerator's plug-in is installed."""
    if platforms := environment.get("JAX_PLATFORMS", ""):
        return platforms.split(",")[0].strip() == "cpu"
    return not any(map(importlib.util.find_spec, ("jax_plugins", "libtpu")))


def prefer_eigen() -> None:
    """Has XLA read its flags, Eigen among them if this jaxlib knows it and the user chose nothing."""
    flags = os.environ.get("XLA_FLAGS")
    if FLAG in (flags or "") or importlib.metadata.version("jaxlib") not in JAXLIBS:
        return
    import jax  # noqa: F401 # which quietens jaxlib's log
    from jaxlib import _jax  # of a version that was tried; making options reads the flags without starting a backend

    os.environ["XLA_FLAGS"] = f"{flags or ''} {EIGEN}".strip()
    try:
        _ = _jax.CompileOptions().executable_build_options.debug_options
    finally:
        if flags is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = flags


def tuned(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The environment with glibc's settings added; None if it already has settings of the allocator."""
    present = environment.get("GLIBC_TUNABLES", "")
    if "glibc.malloc." in present:
        return None
    settings = [present] if present else []
    settings += [f"{name}={value}" for name, value in TUNABLES.items()]
    return {**environment, "GLIBC_TUNABLES": ":".join(settings)}


def start_again(environment: Mapping[str, str]) -> None:
    """Starts this process again with glibc's settings, unless the user has some or the C library is not glibc."""
    settings = tuned(environment)
    if settings and sys.executable and platform.libc_ver()[0] == "glibc":
        settings[STARTED_AGAIN] = environment.get("GLIBC_TUNABLES", "")
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], settings)


def _started_again() -> bool:
    """Whether this is the process that was started again; gives it back the environment of before."""
    before = os.environ.pop(STARTED_AGAIN, None)
    if before is None:
        return False
    if before:
        os.environ["GLIBC_TUNABLES"] = before
    else:
        os.environ.pop("GLIBC_TUNABLES", None)
    return True


def _can_start_again() -> bool:
    """Whether the command line says what this process does: it is no session, script from a pipe, or worker."""
    interactive = hasattr(sys, "ps1") or sys.flags.interactive or "ipykernel" in sys.modules
    return not interactive and sys.argv[0] not in ("", "-") and "--multiprocessing-fork" not in sys.orig_argv
