"""The lecture's two arguments about convolutions as formulas in C channels and a map of H x W.

Two 3 x 3 convolutions see as much as one of 5 x 5, three as much as one of 7 x 7, for fewer weights and multiplications
(Simonyan & Zisserman 2015, section 2.3); and a 3 x 3 convolution multiplies as often before a pool that halves the map
as after it on twice the channels.

    >>> str(stack(3, 2).macs), str(stack(5, 1).macs)
    ('18 C^2 H W', '25 C^2 H W')
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Term:
    """A number times powers of C, H and W."""

    factor: int = 1
    powers: tuple[int, int, int] = (0, 0, 0)

    def __mul__(self, other: "Term | int") -> "Term":
        other = other if isinstance(other, Term) else Term(other)
        powers = tuple(a + b for a, b in zip(self.powers, other.powers, strict=True))
        return Term(self.factor * other.factor, (powers[0], powers[1], powers[2]))

    __rmul__ = __mul__

    def __call__(self, channels: int, height: int, width: int) -> int:
        """The term's value."""
        sizes = zip((channels, height, width), self.powers, strict=True)
        return self.factor * math.prod(size**power for size, power in sizes)

    def __str__(self) -> str:
        powers = [f"{name}^{power}" for name, power in zip("CHW", self.powers, strict=True) if power]
        return " ".join([str(self.factor), *powers]).replace("^1", "")


C, H, W = (Term(1, powers) for powers in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))


@dataclasses.dataclass(frozen=True)
class Formula:
    """What some convolutions cost, without biases.

    Attributes:
      memory: Numbers in their outputs.
      parameters: Weights.
      macs: Multiply-accumulates for one image.
      field: Pixels along a side that an output depends on.
    """

    memory: Term
    parameters: Term
    macs: Term
    field: int


def stack(kernel: int, depth: int, channels: Term = C, height: Term = H, width: Term = W) -> Formula:
    """`depth` convolutions of kernel x kernel taps that keep the map's size and its number of channels."""
    outputs, weights = channels * height * width, kernel * kernel * channels * channels
    return Formula(
        memory=depth * outputs,
        parameters=depth * weights,
        macs=depth * weights * height * width,
        field=depth * (kernel - 1) + 1,
    )
