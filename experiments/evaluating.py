"""What the command lines that evaluate share."""

import dataclasses
from pathlib import Path

from experiments.compilation_cache import Compiling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluating(Compiling):
    """How images are read.

    Attributes:
      data_dir: Where prepared data sets lie; None for the default place.
      batch_size: Images per step over all devices; rounded up to a multiple of their number.
      workers: Processes that decode images; 0 decodes in threads of this process.
      max_corrupt: Images that may be left out because they cannot be read.
    """

    data_dir: Path | None = None
    batch_size: int = 100
    workers: int = 0
    max_corrupt: int = 0

    def reading(self) -> dict[str, int]:
        """Those of them that every evaluation takes, by name."""
        return {"batch_size": self.batch_size, "workers": self.workers, "max_corrupt": self.max_corrupt}
