"""The tables of what clusters need: computed from measured costs, published facts and the networks' exact sizes."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import cnn_evolution as ce
from cnn_evolution.analysis import Cost
from cnn_evolution.analysis.scaling import BACKWARD, Cluster, Training, all_reduce_seconds, facts, ring_bytes
from cnn_evolution.recipes.scaling import SMALL_SHARE
from cnn_evolution.training.fit import state_template
from cnn_evolution.training.plan import tree_bytes
from cnn_evolution.training.state import TrainState
from experiments.benchmark import PEAK_FLOPS
from experiments.contenders import Case
from experiments.gpu_check.program import task_of
from experiments.tables import Table

BASE = "resnet50"  # what is not measured follows from its speed
SHARE = 256  # images of an accelerator, with which its speed was measured
HOSTS = (1, 8, 64)
LEAST = 0.8  # efficiency below which more accelerators do not pay
LINKS = {"3.2 Tb/s": "infiniband", "50 Gb/s": "ethernet"}  # of a host: headings, and names of facts
FAST = next(iter(LINKS))


@dataclasses.dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
      images_per_second: Of one accelerator in training, by network; `BASE` among them.
      input_rate: Images/s that a core reads, decodes and crops.
      checkpoint_rate: Bytes/s at which a checkpoint is written.
      machine: Where the last two were measured.
    """

    images_per_second: Mapping[str, float]
    input_rate: float
    checkpoint_rate: float
    machine: str

    def rate(self, name: str) -> float:
        """Images/s of one accelerator: measured, or assumed from `BASE`.

        A network is assumed to take as much longer for an image as it has more multiply-accumulates or stores more
        activations, whichever is worse.
        """
        if name in self.images_per_second:
            return self.images_per_second[name]
        one, base = counted(name), counted(BASE)
        slower = max(one.macs / base.macs, one.all_activation_bytes / base.all_activation_bytes)
        return self.images_per_second[BASE] / slower


def known(costs: Costs) -> Table:
    """Every number that the others start from."""
    rows = [
        {
            "what": f"{name}: training on one H200, bfloat16",
            "value": f"{rate:,.0f} images/s",
            "from": f"measured: `experiments.gpu_check --part speed`, batch {SHARE}",
        }
        for name, rate in costs.images_per_second.items()
    ]
    rows += [
        {"what": "other networks", "value": f"from {BASE}'s", "from": "assumed: see below"},
        {
            "what": "a core reads, decodes and crops",
            "value": f"{costs.input_rate:,.0f} images/s",
            "from": f"measured: `experiments.scaling --measure`, {costs.machine}",
        },
        {
            "what": "checkpoints are written with",
            "value": f"{costs.checkpoint_rate / 1e6:,.0f} MB/s",
            "from": "measured: the same, on its own disk",
        },
        {
            "what": "a training image, at most (archive by images)",
            "value": f"{image_bytes():,.0f} bytes",
            "from": "computed",
        },
    ]
    rows += [
        {"what": fact.what, "value": f"{fact.value:,} {fact.unit}", "from": fact.source} for fact in facts().values()
    ]
    use = 2 * 3 * ce.model_info(BASE).macs * costs.images_per_second[BASE] / PEAK_FLOPS["H200"]
    note = f"""\
Assumed: a network takes as much longer for an image than {BASE} as it has more multiply-accumulates or stores more
activations (`ce.cost`), whichever is worse. {BASE} uses {percent(use)} of the H200's peak, so this is rather too slow
for networks of few large convolutions (VGG), and too fast for those of many small or depthwise ones (DenseNet,
MobileNet, ShuffleNet), whose needs and share of communication are thus upper bounds. `--speed` takes measurements
instead."""
    return Table("known", "What is known", rows, note)


def reading(costs: Costs, networks: Sequence[str]) -> Table:
    """What hosts must read to keep their accelerators computing."""
    cores, rows = facts()["host_cores"].value, []
    for name in networks:
        host = facts()["host_accelerators"].value * costs.rate(name)
        rows.append(
            {
                "network": name,
                "images/s": figures(costs.rate(name)),
                "which is": "measured" if name in costs.images_per_second else "assumed",
                "images/s a host": figures(host),
                "GB/s a host": figures(host * image_bytes() / 1e9),
                **{f"GB/s, {hosts} hosts": figures(hosts * host * image_bytes() / 1e9) for hosts in HOSTS[1:]},
                "cores a host": figures(host / costs.input_rate),
                f"{cores} cores feed": percent(min(1, cores * costs.input_rate / host)),
            }
        )
    fed = cores * costs.input_rate / facts()["host_accelerators"].value
    note = f"""\
The reader opens records in random order, one read an image, so a host makes as many reads a second as it needs images,
where object storage serves {facts()["storage_requests"].value:,} a second from a prefix. Shards therefore belong on the
host: {figures(facts()["archive_bytes"].value / 1e9)} GB, which stay in its memory after the first epoch. Then decoding
decides: whatever trains faster than {figures(fed)} images/s an accelerator waits for its host's {cores} cores, and the
last column is the most that its accelerators are used. Cores are taken to be as fast as the measured one, and all of
them to decode."""
    return Table("reading", "Input", rows, note)


def gradients(networks: Sequence[str]) -> Table:
    """Bytes and seconds of summing gradients."""
    clusters = {f"{hosts * 8}, {link}": cluster(hosts, link) for link in LINKS for hosts in HOSTS[1:]}
    rows = [
        {
            "network": name,
            "parameters": ce.model_info(name).params,
            "MB of gradients": figures(gradient_bytes(name) / 1e6),
            **{f"MB sent, {8 * hosts}": figures(ring_bytes(gradient_bytes(name), 8 * hosts) / 1e6) for hosts in HOSTS},
            **{
                f"ms, {key}": figures(1e3 * all_reduce_seconds(gradient_bytes(name), one))
                for key, one in {"8": cluster(1, FAST), **clusters}.items()
            },
        }
        for name in networks
    ]
    note = """\
Gradients are float32, whatever a network computes in. Sent: by each accelerator, in one ring over 8, 64 or 512. Times
are of rings inside hosts and between them, by the links' stated rates and without latencies: lower bounds, which small
networks miss by most. Running statistics are averaged too, about 1% more at most."""
    return Table("gradients", "Gradients", rows, note)


def paying(costs: Costs, networks: Sequence[str]) -> Table:
    """Efficiencies, and the number of accelerators up to which more of them pay."""
    large, largest = (facts()[name].value for name in ("large_batch", "largest_batch"))
    places = [(1, FAST), *((hosts, link) for link in LINKS for hosts in HOSTS[1:])]
    rows = []
    for name in networks:
        row: dict[str, object] = {"network": name}
        for hosts, link in places:
            one = cluster(hosts, link)
            training = train(name, costs, min(large, SHARE * one.accelerators))
            plain, overlapped = (training.efficiency(one, hidden=hidden) for hidden in (0.0, BACKWARD))
            key = f"{one.accelerators}, {link}" if hosts > 1 else f"{one.accelerators}"
            row[key] = f"{percent(plain)} / {percent(overlapped)}"
        for link in LINKS:
            for batch in (large, largest):
                most = train(name, costs, batch).accelerators_that_pay(cluster(1, link), LEAST, SMALL_SHARE)
                row[f"pays to: {link}, {batch:,}"] = most
        rows.append(row)
    note = f"""\
The share of a step that is spent computing, with gradients summed after the backward pass / summed while it runs, the
best that overlap can do; which of the two XLA comes closer to was not measured. A batch has {SHARE} images an
accelerator and at most {large:,}, so {large // 512} of them at 512, which an accelerator computes more slowly an image
than the {SHARE} of the measurement, and which are few for statistics of their own (`--batch-statistics synchronised`).

Pays to: the most accelerators, doubled from 8 on, that keep {LEAST:.0%} without overlap and {SMALL_SHARE} images each,
at a batch of {large:,} or {largest:,}; 0 if not even 8 do. The larger batch needs LARS, which the recipes here do not
have (`fit` takes any optimizer). What decides is parameters by the time of an image: AlexNet, with its fully connected
layers and few multiplications, stops first."""
    return Table("paying", "Where data parallelism stops paying", rows, note)


def checkpoints(costs: Costs, networks: Sequence[str]) -> Table:
    """Bytes and seconds of checkpoints, beside those of epochs."""
    images, per_host, cores = (facts()[name].value for name in ("images", "host_accelerators", "host_cores"))
    rows = [
        {
            "network": name,
            "bytes": tree_bytes(template(name)),
            "s to write": figures(tree_bytes(template(name)) / costs.checkpoint_rate),
            **{f"s an epoch, {8 * hosts}": figures(images / (per_host * hosts * costs.rate(name))) for hosts in HOSTS},
            f"s an epoch, {8 * HOSTS[-1]}, fed": figures(
                images / (HOSTS[-1] * min(per_host * costs.rate(name), cores * costs.input_rate))
            ),
        }
        for name in networks
    ]
    note = """\
Bytes: parameters, momentum and running statistics, float32. One copy is written, in the background while training goes
on, but one at a time. Epochs: computing alone, and fed as fast as the hosts' cores decode. Where an epoch takes less
than a checkpoint, save more seldom: `--checkpoint-every` counts epochs."""
    return Table("checkpoints", "Checkpoints", rows, note)


def image_bytes() -> float:
    """Of a training image, at most: the archive has headers and padding too."""
    return facts()["archive_bytes"].value / facts()["images"].value


def gradient_bytes(name: str) -> int:
    """Of one step, in float32."""
    return 4 * ce.model_info(name).params


def train(name: str, costs: Costs, batch_size: int) -> Training:
    """A network in training."""
    return Training(gradient_bytes(name), costs.rate(name), batch_size)


def cluster(hosts: int, link: str) -> Cluster:
    """Hosts of H200s, and what is between them."""
    return Cluster(hosts, facts()["host_accelerators"].value, facts()["nvlink"].value, facts()[LINKS[link]].value)


@functools.cache
def counted(name: str) -> Cost:
    """The network's cost for one image."""
    return ce.cost(name)


@functools.cache
def template(name: str) -> TrainState:
    """The state of stochastic gradient descent with momentum."""
    return state_template(task_of(Case(name, ce.model_info(name).input_size, SHARE, 1.0, "bfloat16")))


def figures(value: float) -> str:
    """Three significant digits."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"


def percent(share: float) -> str:
    return f"{share:.0%}"
