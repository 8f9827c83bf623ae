"""How a run is stopped: by a signal to one of its processes, after one and the same step in all of them."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


class Interrupted(KeyboardInterrupt):
    """The signal `number` stopped the run; it has saved a checkpoint, and goes on when it is started again."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], int]]:
    """While active, the first SIGINT or SIGTERM is only noted, so that the step in progress is finished and saved.

    What is yielded takes the number of the step that is done, every step's in turn, and gives the number of the signal
    after which to stop now, or 0. The second signal acts as usual.

    With several processes SIGTERM belongs to JAX, which lets them agree on a step while they go on: no handler is
    installed for it, since one would silence JAX's own. SIGINT is passed on as SIGTERM. A process that got neither is
    stopped by SIGTERM, as far as it knows.
    """
    several = jax.process_count() > 1
    noted = 0
    main = threading.current_thread() is threading.main_thread()
    signals = ((signal.SIGINT,) if several else (signal.SIGINT, signal.SIGTERM)) if main else ()
    usual = [signal.getsignal(s) for s in signals]

    def restore() -> None:
        for s, handler in zip(signals, usual, strict=True):
            signal.signal(s, handler)

    def note(number: int, _: object) -> None:
        nonlocal noted
        noted = number
        restore()
        if several:
            os.kill(os.getpid(), signal.SIGTERM)

    def stop_now(step: int) -> int:
        if several:
            return (noted or signal.SIGTERM) if multihost_utils.reached_preemption_sync_point(step) else 0
        return noted

    for s in signals:
        signal.signal(s, note)
    try:
        yield stop_now
    finally:
        restore()
