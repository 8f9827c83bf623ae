#!/usr/bin/env bash
# Trains one recipe on all hosts of a Cloud TPU, from anywhere that has gcloud:
#
#     TPU=my-tpu ZONE=europe-west4-a bash experiments/launch/tpu_pod.sh resnet50 --data-dir DATA --run-dir RUN
#
# Every host runs the same command, and JAX finds the others through the TPU's metadata. DIRECTORY, from the home
# directory, must hold this repository on each, and VENV, from there, its environment if there is one; data and runs must
# lie on storage that all hosts share, such as Filestore. Started again, the run continues from its last checkpoint.
set -euo pipefail
: "${TPU:?expected the name of the TPU}" "${ZONE:?expected the zone of the TPU}"

printf -v train '%q ' python -m experiments.train "$@" --distributed
activate=${VENV:+"source $(printf %q "$VENV")/bin/activate && "}
exec gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all \
  --command="cd $(printf %q "${DIRECTORY:-cnn_evolution}") && ${activate}exec $train"
