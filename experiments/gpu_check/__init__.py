"""What must hold on an accelerator, and how fast it is there: one file a part; `python -m experiments.gpu_check`."""
