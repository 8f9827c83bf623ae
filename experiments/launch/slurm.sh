#!/usr/bin/env bash
#SBATCH --job-name=cnn_evolution
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#
# Trains one recipe on several GPU hosts, one process a host:
#
#     sbatch experiments/launch/slurm.sh resnet50 --data-dir /data/tensorflow_datasets --batch-size 1024
#
# Two minutes before its time is over the job gets SIGTERM, saves a checkpoint and stops; submitted or requeued with the
# same arguments it continues. --run-dir must lie on storage that all hosts share.
set -euo pipefail
exec srun --kill-on-bad-exit python -m experiments.train "$@" --distributed --workers "${SLURM_CPUS_PER_TASK:-8}"
