"""What `experiments/launch/` holds for clusters, run as there, in two processes of two devices each.

`stand_ins/` has programs by the names of `srun`, `scontrol` and `gcloud`, which do what theirs would on this machine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnn_evolution.evaluation.results import read_results
from cnn_evolution.jsonl import read_lines
from tests.runs import free_port, one_step
from tests.tiers import exhaustive

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "experiments" / "launch"
TINY = "--data.dataset mini_ilsvrc/tiny --data.size 40 --data.evaluation-resize 44 --model.width 0.0625 --batch-size 16"
RUN = ("mini-alexnet", *TINY.split(), "--optimizer.learning-rate", "0.01", "--epochs", "0.24", "--log-every", "1")


def environment(**variables):
    """This process's, with the stand-ins and this Python first on the path."""
    path = [str(Path(__file__).parent / "stand_ins"), str(Path(sys.executable).parent), os.environ["PATH"]]
    added = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT), "JAX_COORDINATOR_PORT": str(free_port())}
    return {**os.environ, **added, **variables}


def launched(script, *arguments, **variables):
    """Standard output and error of a script that was started in the repository's root, and its exit code."""
    command = ["bash", str(LAUNCH / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(**variables), timeout=120)
    return done.stdout + done.stderr, done.returncode


def slurm(*arguments, tasks=2, nodes=1, **variables):
    """The same of `slurm.sh` in a job of so many processes and nodes."""
    job = {"SLURM_JOB_ID": "7001", "SLURM_NTASKS": str(tasks), "SLURM_JOB_NUM_NODES": str(nodes)}
    return launched("slurm.sh", *arguments, **job, SLURM_CPUS_PER_TASK="1", **variables)


def check_finished(run_dir, output):
    (result,) = read_results(run_dir)
    assert result.images == 200
    assert output.count(f"alexnet: top-1 error {result.top1_error:.2f}%") == 1, "the first process says it alone"
    assert [record["step"] for record in read_lines(run_dir / "metrics.jsonl")] == list(range(1, 13))


def test_slurm_stops_at_its_limit_queues_itself_again_and_continues(tmp_path):
    run, told = tmp_path / "run", tmp_path / "told"
    begin = (*RUN, "--run-dir", run)
    # Before the first step, which leaves JAX the time that it takes to notice.
    output, code = slurm(*begin, STAND_IN_LIMIT=str(run / "config.json"), STAND_IN_TOLD=str(told), nodes=2)
    assert code == 143, output
    assert "2 host(s), 2 process(es), 4 device(s) (cpu)" in output
    assert told.read_text() == "requeue 7001\n"
    step = int(re.search(r"stopped after step (\d+) of 12, which is saved", output)[1])

    told.unlink()
    output, code = slurm(*begin, STAND_IN_TOLD=str(told), nodes=2)
    assert code == 0, output
    assert f"continues after step {step} of 12" in output
    check_finished(run, output)
    assert not told.exists(), "a run that is done is not queued again"


@pytest.mark.parametrize("tasks", [1, pytest.param(8, marks=exhaustive)])
def test_a_job_is_refused_that_leaves_gpus_idle(tmp_path, tasks):
    one_device = {"XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=1"}
    odd = (*RUN, "--batch-size", "9", "--run-dir", tmp_path / "run")  # which is refused later
    told, activate = tmp_path / "told", tmp_path / "venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text("echo activated")
    job = {"SLURM_GPUS_ON_NODE": "8", "STAND_IN_TOLD": str(told), "VENV": str(tmp_path / "venv")}
    output, code = slurm(*odd, tasks=tasks, **job, **one_device)
    assert output.startswith("activated\n")
    assert f"1 host(s), {tasks} process(es), {tasks} device(s)" in output
    refusal = "error: a host has 8 GPUs, of which its 1 process(es) would use 1; start one process for each GPU"
    divides = "error: a batch of 9 images does not divide over 8 device(s)"
    assert (refusal in output, divides in output, code) == (tasks == 1, tasks == 8, 2), output
    assert not told.exists(), "a job that fails is not queued again"


def job_set(run_dir):
    """The command of each pod of `jobset.yaml`, with its variables, for a run that takes seconds.

    What only a cluster has is replaced: the recipe, where storage lies, and the name of the first pod.
    """
    found = yaml.safe_load((LAUNCH / "jobset.yaml").read_text())
    name, (jobs,) = found["metadata"]["name"], found["spec"]["replicatedJobs"]
    job = jobs["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (port,) = container["ports"]
    first = f"{name}-{jobs['name']}-0-0.{name}:{port['containerPort']}"
    replaced = {"resnet50": RUN[0], f"--coordinator={first}": f"--coordinator=localhost:{free_port()}"}
    replaced["--run-dir=/shared/runs/resnet50"] = f"--run-dir={run_dir}"
    words = [replaced.pop(word, word) for word in container["args"] if not word.startswith("--data-dir=")]
    assert not replaced, "the coordinator is the first pod, by the name that the headless service gives it"
    assert job["completionMode"] == "Indexed" and job["completions"] == job["parallelism"]
    return [
        ([*container["command"], *words, *RUN[1:]], {"JOB_COMPLETION_INDEX": str(index)})
        for index in range(job["completions"])
    ]


def test_pods_of_a_job_set_start_python_without_a_shell_and_know_their_number(tmp_path):
    pods = job_set(tmp_path)
    assert [variables["JOB_COMPLETION_INDEX"] for _, variables in pods] == ["0", "1"]
    for command, _ in pods:
        assert command[:3] == ["python", "-m", "experiments.train"] and f"--num-processes={len(pods)}" in command


@exhaustive
def test_pods_of_a_job_set_train_as_one_run(tmp_path):
    pods = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment(**variables)
        )
        for command, variables in job_set(tmp_path / "run")
    ]
    output = "".join(pod.communicate(timeout=120)[0] for pod in pods)
    assert [pod.returncode for pod in pods] == [0, 0], output
    assert "2 process(es), 4 device(s)" in output
    check_finished(tmp_path / "run", output)


@exhaustive
def test_the_hosts_of_a_tpu_train_as_one_run(tmp_path):
    tpu = {"TPU": "my-tpu", "ZONE": "my-zone", "DIRECTORY": str(ROOT), "HOME": str(tmp_path)}
    output, code = launched("tpu_pod.sh", *RUN, "--run-dir", tmp_path / "a run", **tpu)
    assert code == 0, output
    assert "2 process(es), 4 device(s)" in output
    check_finished(tmp_path / "a run", output)


def test_a_tpu_must_be_named():
    output, code = launched("tpu_pod.sh", *RUN, TPU="", ZONE="my-zone")
    assert code != 0 and "expected the name of the TPU" in output


@exhaustive
def test_processes_evaluate_together_what_one_would(tmp_path):
    run = one_step(tmp_path)
    output, codes = together("experiments.evaluate", run)
    assert codes == [0, 0] and output.count("vgg11: top-1 error") == 1, output
    one, two = read_results(run)
    assert (one.images, one.top1_error, one.top5_error) == (two.images, two.top1_error, two.top5_error)
    output, codes = together("experiments.evaluate", run, "--predictions", tmp_path / "predictions.jsonl")
    assert codes == [2, 2] and "--predictions needs all images in one process, and there are 2" in output


def together(module, *arguments):
    """Output of a command in two processes with a coordinator, and their exit codes."""
    command = [sys.executable, "-m", module, *map(str, arguments), "--coordinator", f"localhost:{free_port()}"]
    running = [
        subprocess.Popen(
            [*command, "--num-processes", "2", "--process-id", str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        for number in range(2)
    ]
    return "".join(one.communicate(timeout=120)[0] for one in running), [one.returncode for one in running]
