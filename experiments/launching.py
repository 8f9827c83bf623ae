"""What the command lines share that run in several processes: how these find one another, and that no GPU idles."""

import dataclasses
import hashlib
import os
import re
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import jax
import numpy as np
from jax.experimental import multihost_utils

from cnn_evolution import parallel

# The variables in which launchers that know no coordinator tell each process its number, and that of all.
PROCESS_ID = ("OMPI_COMM_WORLD_RANK", "JOB_COMPLETION_INDEX")
NUM_PROCESSES = ("OMPI_COMM_WORLD_SIZE",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launching:
    """How a process finds the others of its run.

    Attributes:
      distributed: Take part in a run of several processes, which JAX finds through the cluster's environment: SLURM,
        Open MPI before version 5, Cloud TPU.
      coordinator: HOST:PORT of the first process, in a run of several that are started in any other way.
      num_processes: How many there are; None for what Open MPI says.
      process_id: Which this one is, from 0; None for what Open MPI or an indexed Job of Kubernetes says.
    """

    distributed: bool = False
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None

    @property
    def of_several(self) -> bool:
        """Whether the run is one of several processes."""
        return self.distributed or self.coordinator is not None

    def join(self) -> None:
        """Finds the other processes, if there are any; the first says how many, and on what.

        A process uses all devices of its host, except that SLURM and Open MPI give it the GPU of its local rank: SLURM
        and Open MPI before 5 always, Open MPI with a coordinator where there are several processes on a host.

        Raises:
          ValueError: What is given contradicts itself or is incomplete, no cluster is found, or GPUs would idle.
        """
        named = {"--coordinator": self.coordinator, "--num-processes": self.num_processes}
        named |= {"--process-id": self.process_id}
        given = [flag for flag, value in named.items() if value is not None]
        if self.distributed and given:
            raise ValueError(f"--distributed finds the other processes itself; leave it out, or {' and '.join(given)}")
        if self.coordinator is not None:
            parallel.join(*place(self.coordinator, self.num_processes, self.process_id, os.environ))
        elif self.distributed:
            try:
                parallel.join()
            except ValueError as error:
                raise ValueError(f"{error}; give --coordinator, --num-processes and --process-id") from error
        elif given:
            raise ValueError(f"{' and '.join(given)} also need(s) --coordinator, HOST:PORT of the first process")
        else:
            return
        found = nodes()
        say(described(found), sys.stderr)
        check_all_used(found)


def say(text: str, file: TextIO | None = None) -> None:
    """Prints a line, in the first process alone."""
    if jax.process_index() == 0:
        print(text, file=file)


def place(
    coordinator: str, num_processes: int | None, process_id: int | None, environment: Mapping[str, str]
) -> tuple[str, int, int, list[int] | None]:
    """The arguments of `parallel.join`, with what is not given as launchers set it in the environment.

    Raises:
      ValueError: One of them is missing or cannot be.
    """
    if not (port := re.fullmatch(r".+:(\d{1,5})", coordinator)) or not 0 < int(port[1]) < 2**16:
        raise ValueError(
            f"--coordinator is {coordinator!r}, expected HOST:PORT of the first process, say 10.0.0.1:8476"
        )
    count = _told(num_processes, "--num-processes", NUM_PROCESSES, environment)
    number = _told(process_id, "--process-id", PROCESS_ID, environment)
    if count < 1:
        raise ValueError(f"--num-processes is {count}, expected at least 1")
    if not 0 <= number < count:
        raise ValueError(f"--process-id is {number}, expected 0 to {count - 1} for {count} process(es)")
    several = int(environment.get("OMPI_COMM_WORLD_LOCAL_SIZE", 1)) > 1
    return coordinator, count, number, [int(environment["OMPI_COMM_WORLD_LOCAL_RANK"])] if several else None


def _told(given: int | None, flag: str, names: Sequence[str], environment: Mapping[str, str]) -> int:
    """What is given, or else what the first of the variables that is set says."""
    if given is not None:
        return given
    for name in names:
        if name in environment:
            return _whole(name, environment[name])
    raise ValueError(f"--coordinator also needs {flag}, since {' and '.join(names)} is not set")


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}, expected a whole number")
    return int(text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Node:
    """A host as the run uses it: processes there, their devices, and the GPUs that the job has there."""

    processes: int
    devices: int
    gpus: int


def nodes() -> list[Node]:
    """The hosts of the run, of which every process knows all."""
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], np.uint32)
    gpus = gpus_here(os.environ, jax.default_backend())
    mine = np.array([*digest, jax.local_device_count(), gpus], np.uint32)
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, second, devices, gpus in multihost_utils.process_allgather(mine).tolist():
        found.setdefault((first, second), []).append((devices, gpus))
    return [
        Node(processes=len(there), devices=sum(devices for devices, _ in there), gpus=max(gpus for _, gpus in there))
        for there in found.values()
    ]


def gpus_here(environment: Mapping[str, str], platform: str, devices: Path = Path("/dev")) -> int:
    """The GPUs that this job has on this host.

    SLURM says it; otherwise they are counted where JAX's platform is a GPU, unless CUDA_VISIBLE_DEVICES is a choice.
    """
    if text := environment.get("SLURM_GPUS_ON_NODE"):
        return _whole("SLURM_GPUS_ON_NODE", text)
    if platform != "gpu" or "CUDA_VISIBLE_DEVICES" in environment:
        return 0
    return sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in devices.iterdir())


def described(found: Sequence[Node]) -> str:
    """Hosts, processes and devices in words."""
    processes, devices = sum(node.processes for node in found), sum(node.devices for node in found)
    return f"{len(found)} host(s), {processes} process(es), {devices} device(s) ({jax.devices()[0].device_kind})"


def check_all_used(found: Iterable[Node]) -> None:
    """Refuses a run that leaves GPUs idle.

    Raises:
      ValueError: A host has more GPUs than devices of the run.
    """
    for node in found:
        if node.gpus > node.devices:
            raise ValueError(
                f"a host has {node.gpus} GPUs, of which its {node.processes} process(es) would use {node.devices}; "
                f"start one process for each GPU (in SLURM: --ntasks-per-node={node.gpus} without --gpus-per-task), or "
                "name the GPUs of each process in JAX_LOCAL_DEVICE_IDS, as in 0,1,2,3"
            )
