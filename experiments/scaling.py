"""What clusters of 8, 64 and 512 accelerators need, as a page of Markdown: input, gradients, checkpoints, storage.

    python -m experiments.scaling > docs/scaling.md
    python -m experiments.scaling --measure                          # reading and saving as this machine does it
    python -m experiments.scaling --speed runs/gpu_check/speed.json  # what experiments.gpu_check measured, on an H200

Nothing of it was run on a cluster: it is arithmetic (cnn_evolution/analysis/scaling.py) on one accelerator's speed, on
one machine's costs of reading and saving, and on published facts (cnn_evolution/analysis/scaling.csv).
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import tyro

import cnn_evolution as ce
from experiments import command_line
from experiments.scaling_costs import checkpoint_bytes_per_second, images_per_core_second
from experiments.scaling_tables import (
    BASE,
    Costs,
    checkpoints,
    gradients,
    image_bytes,
    known,
    paying,
    reading,
    template,
)
from experiments.tables import as_markdown

NETWORKS = ("alexnet", "vgg16", "resnet50", "se_resnet50", "densenet121", "mobilenet_v2", "shufflenet_v2_x1_0")
SPEED = {"resnet50": 6746.0}  # images/s, as README's table of experiments.gpu_check
INPUT_RATE, CHECKPOINT_RATE = 341.0, 195.0  # images/s of a core, MB/s, by --measure on
MACHINE = "a core of an AMD EPYC"

INTRODUCTION = """\
# At scale, on paper

What clusters of 8, 64 and 512 accelerators need: hosts of 8 NVIDIA H200s, synchronous data parallelism, ImageNet at the
size of each network. **Nothing here was run on a cluster.** One accelerator's speed and the costs of reading and saving
were measured, the links' rates are their makers', and the rest is arithmetic, whose idealisations are named below the
tables. `python -m experiments.scaling` prints this page, and takes other measurements.
"""

STORAGE = """\
## Object storage

With `--data-dir gs://bucket/x`, or any other address that [fsspec](https://filesystem-spec.readthedocs.io) opens
(`pip install '.[storage]'` brings gs:// and s3://), the shards of the splits that a run opens are copied on first use
to `$CNN_EVOLUTION_DATA/copies`, on every host once, by a dry run too. A copy is checked against its original's size and
time of change; one that was interrupted goes on at the first shard that lacks; too little room is said before. It was
tried with fsspec's storage in memory and with servers that stand in for S3 (moto) and Google Cloud Storage
(gcp-storage-emulator), and not with a real bucket.

| what | in storage | instead |
| --- | --- | --- |
| data sets that TFDS prepared as ArrayRecord | copied | |
| folders of images | refused | `gcloud storage rsync --recursive gs://... DIR`, `aws s3 sync s3://... DIR` |
| run directories, all other files | refused | a file system that the hosts share, copied by the same commands |

Runs are refused since their files are locked, appended to and renamed. Records are not read from storage one by one,
nor prefetched from it: the order of an epoch is random over all shards, so it would take a request an image. A bucket
that is mounted as a file system (gcsfuse, Mountpoint for S3) has the same trouble, unless it keeps whole files on a
local disk.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """What was measured; the defaults are what the documentation shows.

    Attributes:
      speed: What `experiments.gpu_check --part speed` wrote for an H200; None for the one network in README.
      input_rate: Images of ImageNet's size that a core reads, decodes and crops in a second.
      checkpoint_rate: MB/s at which checkpoints are written.
      measure: Measure the last two here.
    """

    speed: Path | None = None
    input_rate: float = INPUT_RATE
    checkpoint_rate: float = CHECKPOINT_RATE
    measure: bool = False

    def costs(self) -> Costs:
        """What the page starts from.

        Raises:
          ValueError, OSError: As `read_speed`; or a rate is not positive.
        """
        for name in ("input_rate", "checkpoint_rate"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"{name} is {value}, expected a number above 0")
        speed = SPEED if self.speed is None else read_speed(self.speed)
        if self.measure:
            rates = images_per_core_second(image_bytes()), checkpoint_bytes_per_second(template(BASE))
            return Costs(speed, *rates, "this machine")
        stored = (self.input_rate, self.checkpoint_rate) == (INPUT_RATE, CHECKPOINT_RATE)
        return Costs(speed, self.input_rate, 1e6 * self.checkpoint_rate, MACHINE if stored else "as given")


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.scaling", description=command_line.described(__doc__))
    print(page(arguments.costs(), NETWORKS), end="")


def page(costs: Costs, networks: Sequence[str]) -> str:
    """The whole page."""
    tables = (
        known(costs),
        reading(costs, networks),
        gradients(networks),
        paying(costs, networks),
        checkpoints(costs, networks),
    )
    return "\n".join([INTRODUCTION, *(f"#{as_markdown(table)}" for table in tables), STORAGE])


def read_speed(path: Path) -> dict[str, float]:
    """Images/s of training by network, of a report of `experiments.gpu_check`.

    Raises:
      ValueError: It is no report of the speed of whole networks on an H200, `BASE` among them.
      OSError: It cannot be read.
    """
    try:
        report = json.loads(path.read_text())
        rows = [row["numbers"] for row in report["rows"] if "case" in row["numbers"]]
        found = {row["case"]["model"]: row["images_per_second"]["ours"] for row in rows}
        sizes = {row["case"]["model"]: (row["case"]["width"], row["case"]["input_size"]) for row in rows}
        kind = report["kind"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no report of experiments.gpu_check: {type(error).__name__}: {error}") from error
    if "H200" not in kind:
        raise ValueError(f"{path} is of {kind}; expected an NVIDIA H200, whose links the page is about")
    if changed := [name for name, size in sizes.items() if size != (1, ce.model_info(name).input_size)]:
        raise ValueError(f"{path} is of narrow networks or small images: {', '.join(changed)}")
    if BASE not in found:
        raise ValueError(f"{path} lacks {BASE}, from which others follow; it has {', '.join(found) or 'no network'}")
    return found


if __name__ == "__main__":
    command_line.run(main)
