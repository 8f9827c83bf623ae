"""Which library XLA's CPU compiler gives convolutions to: Eigen or YNNPACK.

jaxlib 0.10 prefers YNNPACK; Eigen is the faster one for nearly every convolution here, and for gradients of kernels by
far. On two cores with 256-bit vectors, batch 16, forward and kernel gradient in ms: 11x11/4 from 3 to 96 channels at
227 pixels 60 and 59 became 31 and 28; 7x7/2 to 64 at 224 46 and 97 became 41 and 45; 3x3/2 of 512 at 14 38 and 45
became 23 and 28.

There is no other way to say so than a flag of XLA's, which it reads when it computes for the first time. So importing
the package sets it, and `dense.py` and `winograd.py` choose for Eigen.
"""

import importlib.util
import os

import jaxlib

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
EIGEN = f"{FLAG}=-individual_convolution"
# XLA ends the process at a flag that it does not know, and with jaxlib 0.11.2 YNNPACK is no slower for ResNet-50.
JAXLIBS = ("0.10.2",)


def ask_for_eigen() -> None:
    """Adds the flag to this process's environment, which its processes inherit.

    Does nothing if the flag is there with a value of the user's, with another jaxlib, and where an accelerator's
    plug-in is installed: it reads the same flags, and may be of another version.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    accelerated = any(map(importlib.util.find_spec, ("jax_plugins", "libtpu")))
    if FLAG not in flags and jaxlib.__version__ in JAXLIBS and not accelerated:
        os.environ["XLA_FLAGS"] = f"{flags} {EIGEN}".strip()


def leave_it_to_jaxlib() -> None:
    """Takes the flag back; to be called before the first computation."""
    os.environ["XLA_FLAGS"] = " ".join(flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag != EIGEN)
