"""Arguments of command lines that take networks of one's own."""

import dataclasses
import importlib
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Importing:
    """Modules to import first.

    Attributes:
      modules: A module of yours that registers networks (`ce.register`); may be given several times.
    """

    modules: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="import")] = ()

    def __post_init__(self) -> None:
        for module in self.modules:
            importlib.import_module(module)
