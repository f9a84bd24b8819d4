"""Ctrl-C and SIGTERM: the first ends the work in order, later ones do not disturb that, and one after a while ends all.

TensorFlow and the files of a run are left in order by what runs on the way out of a `KeyboardInterrupt`. A second one
in the middle of that would lose what is being saved, so only one is ever raised.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 2.0
"""Seconds after the notice from which on another signal ends the process at once: keys are pressed in a hurry."""

_AGAIN = 0.05  # seconds

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Of Ctrl-C, of a scheduler before it kills, and of a terminal that is closed."""

_EMPTY = {"first": None, "lost": False, "over": False, "told_at": None, "held": 0, "waiting": False, "doing": ""}
_state = dict(_EMPTY)


def install(doing: str) -> None:
    """Has both signals handled here from now on, for a process that ends with the work that follows.

    Args:
      doing: what happens after the first signal, told at the second, such as "what was done is being saved".
    """
    _state.update(_EMPTY, doing=doing)
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _handle)
    sys.unraisablehook = _catch_lost
    atexit.register(_ignore)


def over() -> None:
    """The work has ended and only the process is left to end: signals raise nothing any more."""
    _state["over"] = True


def asked() -> bool:
    """Whether a signal has come."""
    return _state["first"] is not None


def signal_number() -> int:
    """The number of the signal that has come, 0 where none has."""
    return _state["first"] or 0


def take_over(number: int) -> None:
    """A signal that came to another process of the same work counts as one that came here, and raises nothing."""
    _state["first"] = _state["first"] or number


def exit_code() -> int:
    """The exit code of a process that a signal ended, as shells have it; that of Ctrl-C where none came here."""
    return 128 + (_state["first"] or signal.SIGINT)


def stop_if_asked() -> None:
    """Raises KeyboardInterrupt where one was raised before and got lost, as in what Python runs when it frees memory.

    To be called in a loop of work that nothing has interrupted.
    """
    if _state["first"] is not None and not _state["over"]:
        raise KeyboardInterrupt


@contextlib.contextmanager
def held() -> Iterator[None]:
    """The `KeyboardInterrupt` of a signal that comes while the block runs is raised at its end."""
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield
        return
    _state["held"] += 1
    try:
        yield
    finally:
        _state["held"] -= 1
        if _state["waiting"] and not _state["held"]:
            _state["waiting"] = False
            raise KeyboardInterrupt


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Within `held`, the `KeyboardInterrupt` of a signal is raised in this block at once, that of one before too."""
    holds, _state["held"] = _state["held"], 0
    try:
        if _state["waiting"]:
            _state["waiting"] = False
            raise KeyboardInterrupt
        yield
    finally:
        _state["held"] = holds


def _handle(number: int, frame: object) -> None:
    if _state["first"] is None or _state["lost"]:
        _state["first"] = _state["first"] or number
        _state["lost"] = False
        if _state["over"]:
            return
        if _state["held"]:
            _state["waiting"] = True
            return
        raise KeyboardInterrupt
    now = time.monotonic()
    if _state["told_at"] is None:
        _state["told_at"] = now
        if not _state["over"]:
            _tell(f"Stopping: {_state['doing']}; Ctrl-C after {PATIENCE:.0f} seconds ends at once, without that.")
    elif now - _state["told_at"] >= PATIENCE:
        _tell("Ended at once.")
        os._exit(128 + number)


def _catch_lost(unraisable: Any) -> None:
    """Python only prints what is raised while it frees memory; an interrupt among that is raised again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt) or _state["first"] is None:
        sys.__unraisablehook__(unraisable)
    elif not _state["over"]:
        _state["lost"] = True
        again = threading.Timer(_AGAIN, _raise_lost)
        again.daemon = True
        again.start()


def _raise_lost() -> None:
    if _state["lost"]:
        os.kill(os.getpid(), _state["first"])


def _tell(text: str) -> None:
    # Not by print: the signal may have come in the middle of one.
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _ignore() -> None:
    """While Python ends, the signals would have their first meaning again, and kill."""
    for number in SIGNALS:
        if signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_IGN)
