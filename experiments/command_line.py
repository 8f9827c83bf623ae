"""What every command line does around its work."""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NoReturn

from cnn_evolution.addresses import local_path
from cnn_evolution.parallel import leave


def described(text: str | None) -> str:
    """A command's documentation, with what every command does to its process."""
    return f"""{(text or "").rstrip()}

Where JAX will compute on a CPU, the command starts itself again with settings of glibc that keep freed memory, and sets
a flag of XLA for its convolutions, both for this process alone. What GLIBC_TUNABLES or XLA_FLAGS say of them stays.
"""


def run(command: Callable[[], None]) -> NoReturn:
    """Runs a command and exits with 0, or after one line that says what.

    The codes are 2 for bad input, 3 where a computation ends in what is no number, 130 for an interruption and 143 for
    SIGTERM.

    Errors of value and of the system, and missing libraries, are shortened to what they say, because a user can mend
    most of them; with CNN_EVOLUTION_TRACEBACK=1 in the environment they keep their traceback, as all others do.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr, force=True)
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # its errors are raised, too
    full = bool(os.environ.get("CNN_EVOLUTION_TRACEBACK"))
    if not full:
        # What goes wrong in a thread or a callback is raised again where its work is waited for.
        threading.excepthook = lambda arguments: logging.debug("in a thread: %s", arguments.exc_value)
        sys.unraisablehook = lambda arguments: logging.debug("in a callback: %s", arguments.exc_value)
    code, alone = 0, False
    try:
        check_addresses(sys.argv)
        command()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except FloatingPointError as error:  # which all processes of a run find
        print(f"diverged: {error}", file=sys.stderr)
        code = 3
    except KeyboardInterrupt as error:
        print(f"interrupted: {error}" if str(error) else "interrupted", file=sys.stderr)
        code, alone = 128 + getattr(error, "number", signal.SIGINT), not hasattr(error, "number")
    except Exception as error:
        alone = True
        if isinstance(error, ValueError | OSError | ModuleNotFoundError) and not full:
            print(f"error: {error}", file=sys.stderr)
            code = 2
        else:
            traceback.print_exc()
            code = 1
    leave(code, alone=alone)


def check_addresses(words: Sequence[str]) -> None:
    """Refuses addresses of object storage (gs://...), of which only data sets are read.

    Raises:
      ValueError: There is one.
    """
    for before, word in pairwise(words):
        option, equals, value = word.partition("=")
        option, value = (option, value) if equals and word.startswith("--") else (before, word)
        if option.replace("_", "-") not in ("--data-dir", "--data.dataset", "--dataset"):
            local_path(value, option if option.startswith("--") else "path")
