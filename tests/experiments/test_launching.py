"""How the processes of a run find one another, and when a run is refused."""

import jax
import pytest

from experiments import launching
from experiments.launching import Launching, Node, check_all_used, gpus_here, nodes, place

FIRST = "10.0.0.1:8476"
OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"distributed": True, "coordinator": FIRST}, "--distributed finds .* leave it out, or --coordinator"),
        ({"distributed": True, "process_id": 0}, "leave it out, or --process-id"),
        ({"num_processes": 2, "process_id": 0}, "--num-processes and --process-id also need"),
        ({"process_id": 0}, "--process-id also need.* --coordinator, HOST:PORT"),
        ({"coordinator": FIRST, "process_id": 0}, "also needs --num-processes, since OMPI_COMM_WORLD_SIZE is not set"),
        ({"coordinator": FIRST, "num_processes": 2}, "also needs --process-id, since .*JOB_COMPLETION_INDEX"),
        ({"coordinator": FIRST, "num_processes": 2, "process_id": 2}, "--process-id is 2, expected 0 to 1"),
        ({"coordinator": FIRST, "num_processes": 2, "process_id": -1}, "--process-id is -1, expected 0 to 1"),
        ({"coordinator": FIRST, "num_processes": 0, "process_id": 0}, "--num-processes is 0, expected at least 1"),
        ({"coordinator": "10.0.0.1", "num_processes": 2, "process_id": 0}, "'10.0.0.1', expected HOST:PORT"),
        ({"coordinator": "a:99999", "num_processes": 2, "process_id": 0}, "'a:99999', expected HOST:PORT"),
        ({"distributed": True}, "finds no cluster in the environment .*; give --coordinator, --num-processes and"),
    ],
)
def test_flags_that_contradict_or_miss_something_are_refused(flags, message, monkeypatch):
    monkeypatch.setattr(jax.distributed, "initialize", no_cluster)
    for name in (*launching.PROCESS_ID, *launching.NUM_PROCESSES):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=message):
        Launching(**flags).join()


def no_cluster(coordinator, *others, **options):
    """As JAX's, which is told of no coordinator and finds none."""
    assert coordinator is None
    raise ValueError("coordinator_address should be defined.")


def test_a_run_of_one_process_joins_nothing(monkeypatch, capsys):
    monkeypatch.setattr(jax.distributed, "initialize", no_cluster)
    Launching().join()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("given", "environment", "placed"),
    [
        ((2, 1), {}, (2, 1, None)),
        ((2, None), {"JOB_COMPLETION_INDEX": "1"}, (2, 1, None)),
        ((2, 0), {"JOB_COMPLETION_INDEX": "1"}, (2, 0, None)),  # flags come first
        ((None, None), OPEN_MPI, (8, 3, None)),
        ((None, None), OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}, (8, 3, None)),
        ((None, None), OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "2"}, (8, 3, [2])),
        ((None, None), OPEN_MPI | {"JOB_COMPLETION_INDEX": "1"}, (8, 3, None)),  # Open MPI within a pod
    ],
)
def test_what_is_not_given_is_what_the_launcher_says(given, environment, placed):
    assert place(FIRST, *given, environment) == (FIRST, *placed)


def test_a_number_of_a_launcher_that_is_none_is_named():
    with pytest.raises(ValueError, match="JOB_COMPLETION_INDEX is 'x', expected a whole number"):
        place(FIRST, 2, None, {"JOB_COMPLETION_INDEX": "x"})
    with pytest.raises(ValueError, match="SLURM_GPUS_ON_NODE is 'all', expected a whole number"):
        gpus_here({"SLURM_GPUS_ON_NODE": "all"}, "gpu")


@pytest.mark.parametrize(
    ("environment", "platform", "gpus"),
    [
        ({}, "gpu", 2),
        ({}, "cpu", 0),  # nothing says that the run was to use them
        ({"SLURM_GPUS_ON_NODE": "8"}, "gpu", 8),
        ({"SLURM_GPUS_ON_NODE": "8"}, "cpu", 8),
        ({"CUDA_VISIBLE_DEVICES": "0"}, "gpu", 0),  # a choice of the user's
    ],
)
def test_gpus_of_a_host_are_those_of_the_job_or_all(environment, platform, gpus, tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert gpus_here(environment, platform, tmp_path) == gpus


@pytest.mark.parametrize(("processes", "devices"), [(8, 8), (1, 8), (2, 8)])
def test_hosts_may_be_used_by_any_number_of_processes(processes, devices):
    check_all_used([Node(processes=processes, devices=devices, gpus=8)] * 2)


def test_one_host_with_idle_gpus_refuses_the_run():
    used, idle = Node(processes=8, devices=8, gpus=8), Node(processes=1, devices=1, gpus=8)
    with pytest.raises(ValueError, match=r"8 GPUs, of which its 1 process.* use 1; .*--ntasks-per-node=8"):
        check_all_used([used, idle])


def test_every_process_knows_the_hosts(monkeypatch):
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "8")
    devices = jax.local_device_count()
    assert nodes() == [Node(processes=1, devices=devices, gpus=8)]
    assert launching.described(nodes()) == f"1 host(s), 1 process(es), {devices} device(s) (cpu)"
