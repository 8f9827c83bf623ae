"""What synchronous data parallelism costs: a model of its communication and its input, without latencies.

Every accelerator holds the whole network and computes a share of the batch; after each step all gradients are summed
by rings (Patarasu and Yuan 2009), first inside every host, then between hosts, where each accelerator has an equal part
of the gradients and of its host's link, then inside again. Latencies are left out, so all times are lower bounds.
"""

import dataclasses
import functools

from cnn_evolution.files import table_rows

BACKWARD = 2 / 3  # share of a step's multiply-accumulates: the gradients of inputs and of weights, beside the outputs


@dataclasses.dataclass(frozen=True)
class Fact:
    """A published number.

    Attributes:
      value: The number.
      unit: Its unit.
      what: What it is of.
      source: Where it is stated.
    """

    value: int
    unit: str
    what: str
    source: str


@functools.cache
def facts() -> dict[str, Fact]:
    """The rows of `scaling.csv` by name."""
    rows = table_rows(__package__, "scaling.csv")
    return {row["name"]: Fact(int(row["value"]), row["unit"], row["what"], row["source"]) for row in rows}


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Hosts of equally many accelerators.

    Attributes:
      hosts: Number of hosts.
      per_host: Accelerators of a host.
      inside: Bytes/s that an accelerator sends to the others of its host.
      between: Bytes/s that a host sends to the others.

    Raises:
      ValueError: One of them is not positive.
    """

    hosts: int
    per_host: int
    inside: float
    between: float

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if (value := getattr(self, field.name)) <= 0:
                raise ValueError(f"{field.name} of a cluster is {value}, expected a number above 0")

    @property
    def accelerators(self) -> int:
        return self.hosts * self.per_host


def ring_bytes(size: float, members: int) -> float:
    """What each member sends while `size` bytes are summed in a ring: 2 (n - 1) / n of them."""
    return 2 * (members - 1) / members * size


def all_reduce_seconds(size: float, cluster: Cluster) -> float:
    """The least time in which gradients of `size` bytes are summed over all accelerators."""
    return ring_bytes(size, cluster.per_host) / cluster.inside + ring_bytes(size, cluster.hosts) / cluster.between


def efficiency(compute: float, communication: float, *, hidden: float = 0.0) -> float:
    """The share of a step that is spent computing.

    Args:
      compute: Seconds of computing.
      communication: Seconds of summing gradients.
      hidden: Share of the computing during which gradients can be summed: 0 if they are summed afterwards, at most
        `BACKWARD`, since there are none before the backward pass.
    """
    return compute / (compute + max(0.0, communication - hidden * compute))


@dataclasses.dataclass(frozen=True)
class Training:
    """A network in training.

    Attributes:
      gradient_bytes: Of one step.
      images_per_second: Of one accelerator by itself; taken to be the same for every share of a batch.
      batch_size: Images of a step, over all accelerators.
    """

    gradient_bytes: int
    images_per_second: float
    batch_size: int

    def compute_seconds(self, cluster: Cluster) -> float:
        """Of a step, without communication."""
        return self.batch_size / cluster.accelerators / self.images_per_second

    def efficiency(self, cluster: Cluster, *, hidden: float = 0.0) -> float:
        """The share of a step that is spent computing; see `efficiency`."""
        communication = all_reduce_seconds(self.gradient_bytes, cluster)
        return efficiency(self.compute_seconds(cluster), communication, hidden=hidden)

    def accelerators_that_pay(self, cluster: Cluster, least: float, images: int = 1, *, hidden: float = 0.0) -> int:
        """The most accelerators, in hosts doubled from one on, that keep an efficiency of `least`; 0 if none do.

        The batch stays, and every accelerator has at least so many images of it. The hosts of `cluster` do not count.
        """
        most, hosts = 0, 1
        while hosts * cluster.per_host * images <= self.batch_size:
            larger = dataclasses.replace(cluster, hosts=hosts)
            if self.efficiency(larger, hidden=hidden) < least:
                break
            most, hosts = larger.accelerators, 2 * hosts
        return most
