"""The only file that knows how a per-replica function meets the devices.

State goes in and comes out replicated without a device axis, so the same arrays serve one device, eight, or several
hosts; batches are split along their first axis. `jax.shard_map` could replace `jax.pmap` here and nowhere else.
"""

import contextlib
import functools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar, cast

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"
HEARTBEAT = 30  # seconds without a sign of life after which a process counts as dead
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_ERRORS = {error.__name__: error for error in (ValueError, OSError, FileNotFoundError)}


def shared(function: F) -> F:
    """Makes a function give the same for equal arguments, so that what is compiled of it is compiled once.

    Arguments without a hash, such as an objective of one's own may be, share nothing.
    """
    cached = functools.lru_cache(maxsize=16)(function)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            hash((arguments, tuple(options.values())))
        except TypeError:
            return function(*arguments, **options)
        return cached(*arguments, **options)

    return cast(F, call)


def join(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    local_device_ids: Sequence[int] | None = None,
) -> None:
    """Makes this process one of a run's; nothing may have been computed before.

    Args:
      coordinator: "HOST:PORT" of process 0. None for what JAX finds in the environment, of SLURM, Open MPI before 5,
        Cloud TPU, or Kubernetes with the package `kubernetes`; it then finds the following too, where they are None.
      num_processes: Processes of the run.
      process_id: The number of this one, from 0.
      local_device_ids: GPUs of this process, by their numbers on the host. None for those in JAX_LOCAL_DEVICE_IDS, or
        else for all, except that SLURM and Open MPI, where JAX finds them, give each process that of its local rank.

    Raises:
      ValueError: The environment names no cluster, or not all that is needed.
    """
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            local_device_ids,
            cluster_detection_method=None if coordinator is None else "deactivate",
            heartbeat_timeout_seconds=HEARTBEAT,
        )
    except ValueError as error:
        if coordinator is not None:
            raise
        raise ValueError(f"JAX finds no cluster in the environment ({error})") from error


@shared
def map_step(step: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Maps `(state, batch, constants) -> (state, metrics)` over the local devices; the state that goes in is donated.

    What comes out must be equal on every replica. An equal step is mapped once, so it is compiled once.
    """
    return jax.pmap(step, axis_name=AXIS, in_axes=(None, 0, None), out_axes=(None, None), donate_argnums=0)


def map_prediction(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Maps `(variables, batch, frozen) -> outputs` over the local devices; outputs keep the device axis in front."""
    # As one argument: JAX takes axes for those of leaves where there are as many leaves as arguments.
    mapped = jax.pmap(lambda operands: function(*operands), axis_name=AXIS, in_axes=((None, 0, None),), out_axes=0)
    return lambda *operands: mapped(operands)


def map_count(function: Callable[..., Any]) -> Callable[..., Any]:
    """Maps `(outputs, batch) -> counts` over the local devices; the counts must be equal on every replica."""
    return jax.pmap(function, axis_name=AXIS, in_axes=(0, 0), out_axes=None)


def replicated() -> NamedSharding:
    """Where state lies: whole on every device of every host."""
    return NamedSharding(Mesh(jax.devices(), (AXIS,)), PartitionSpec())


def to_global(state: Any) -> Any:
    """What `map_step` returns, which each host knows as its own, as arrays of all hosts, which can be saved."""
    if jax.process_count() == 1:
        return state
    return jax.tree.map(
        lambda x: jax.make_array_from_single_device_arrays(
            x.shape, replicated(), [shard.data for shard in x.addressable_shards]
        ),
        state,
    )


def device_shares(batch_size: int, accumulate_steps: int = 1) -> tuple[int, int]:
    """The number of local devices, and the rows of a batch that each of them gets.

    Raises:
      ValueError: A batch does not divide over all devices, in so many parts each.
    """
    devices = jax.device_count()
    if batch_size % (devices * accumulate_steps):
        unit = devices * accumulate_steps
        nearest = max(unit, round(batch_size / unit) * unit)
        raise ValueError(
            f"a batch of {batch_size} images does not divide over {devices} device(s)"
            + (f" in {accumulate_steps} parts" if accumulate_steps > 1 else "")
            + f"; the nearest size that does is {nearest}"
        )
    return jax.local_device_count(), batch_size // devices


def whole_batch(batch_size: int) -> int:
    """The size rounded up to a multiple of the devices of all hosts.

    Raises:
      ValueError: It is not above 0.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected a number of images above 0")
    return -(-batch_size // jax.device_count()) * jax.device_count()


def split_over_devices(batch: Any) -> Any:
    """(B, ...) -> (local devices, B / local devices, ...), for every array of a batch."""
    devices = jax.local_device_count()
    return jax.tree.map(lambda x: x.reshape(devices, x.shape[0] // devices, *x.shape[1:]), batch)


def decided_by_first(decide: Callable[[], T]) -> T:
    """What the first process finds, in every process; a value that JSON can hold.

    Files of a network disk may look older to one process than to another, so what they decide is decided once.

    Raises:
      ValueError, OSError: What `decide` raises in the first process, in every process.
    """
    if jax.process_count() == 1:
        return decide()
    found: dict[str, Any] = {}
    error: Exception | None = None
    if jax.process_index() == 0:
        try:
            found = {"value": decide()}
        except Exception as raised:
            error, found = raised, {"error": type(raised).__name__, "message": str(raised)}
    found = _sent_by_first(found)
    if "value" in found:
        return found["value"]
    raise error or _ERRORS.get(found["error"], RuntimeError)(found["message"])


def highest(value: int) -> int:
    """The highest of the values that the processes have."""
    if jax.process_count() == 1:
        return value
    return int(np.max(multihost_utils.process_allgather(np.array(value))))


def _sent_by_first(value: Any) -> Any:
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.array(len(text))))
    return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(np.resize(text, length)))))


@contextlib.contextmanager
def peers_in_words() -> Iterator[None]:
    """Makes an OSError of what a computation of several processes raises, which is hardly ever of its own making."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        raise ConnectionError(
            f"process {jax.process_index()} of {jax.process_count()} cannot go on, most likely since another has "
            f"ended, whose output says why; the same command on all of them continues from the last checkpoint: "
            f"{str(error).partition(chr(10))[0]}"
        ) from error


def leave(code: int, *, alone: bool) -> NoReturn:
    """Ends this process.

    At its end a process waits until all others of the run end too. One that fails alone does not: they wait for it in
    a step, and end once JAX's coordination service finds it gone.

    Args:
      code: The exit code.
      alone: Whether the others may know nothing of this end; they get a few seconds in which to come to the same one.
    """
    if alone and jax.distributed.is_initialized():
        end = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        end.start()
        end.join(timeout=5)
        if end.is_alive():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)
