#!/usr/bin/env bash
#SBATCH --job-name=cnn_evolution
#SBATCH --nodes=2
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#
# Trains one recipe on several GPU hosts:
#
#     VENV=.venv sbatch experiments/launch/slurm.sh resnet50 --data-dir /data/tensorflow_datasets --batch-size 1024
#
# There is one process a GPU, since JAX gives each the one whose number is its local rank. Every process must therefore
# see all GPUs of its host, as with --gpus-per-node; with --gpus-per-task it would see one, numbered 0.
#
# Two minutes before the time is over, or up to a minute earlier, SLURM sends SIGTERM to the processes that srun started,
# but not to this script. They save a checkpoint and end with 143, and the script queues the job again, which continues.
# Where saving takes longer than that, raise --signal. A job that is done, fails or is cancelled is not queued again, one
# whose host fails is. --run-dir, runs/RECIPE by default, must lie on storage that all hosts share.
set -euo pipefail

# The environment that has the package; without VENV that of the shell in which the job was submitted.
if [ -n "${VENV:-}" ]; then source "$VENV/bin/activate"; fi

# A process that failed would make --kill-on-bad-exit end the others with SIGTERM, which looks like the end of the time;
# JAX ends them without. srun gives the highest exit code, and does not take over the job's --cpus-per-task.
code=0
srun --kill-on-bad-exit=0 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  python -m experiments.train "$@" --distributed || code=$?
if [ "$code" -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
