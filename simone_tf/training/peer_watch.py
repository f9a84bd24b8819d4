"""Whether the other workers are there: waited for at the start, watched from then on.

TensorFlow itself may wait for a worker that was killed without end, or end the process by an abort. So a thread asks
now and then whether a connection to a peer can be made, and ends what can no longer go on. Only the chief watches all:
it ends when one is lost, which the others, who watch the chief, notice in turn.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping

from simone_tf.cli.console import say
from simone_tf.training.tf_config import host_and_port

# Seconds between two looks; how long a connection may take; how often it may fail in a row. A dead process is told at
# once by its system (refused), a dead machine or network only by silence: 3 x (5 + 1) seconds.
_PAUSE, _PATIENCE, _TRIES = 2.0, 5.0, 3
# Seconds from the loss to the end, in which what raised an error of its own may end with that.
_GRACE = 5.0
# Seconds after which a wait is told.
_TELL_AFTER = 15.0


def answers(address: str, seconds: float = _PATIENCE) -> bool:
    """Whether a connection to "host:port" can be made within so many seconds."""
    try:
        socket.create_connection(host_and_port(address), timeout=seconds).close()
    except OSError:
        return False
    return True


def wait_for(peers: Mapping[int, str], seconds: float) -> int | None:
    """Waits until all peers answer, and says whom it waits for when that takes long.

    Args:
        peers: number -> "host:port".
        seconds: how long.

    Returns:
        None when all do; the first that did not when the time is over.
    """
    begin, told = time.monotonic(), False
    missing = list(peers)
    while missing:
        missing = [number for number in missing if not answers(peers[number])]
        waited = time.monotonic() - begin
        if missing and waited >= seconds:
            return missing[0]
        if missing and not told and waited >= min(_TELL_AFTER, seconds):
            told = True
            say("Waiting for " + ", ".join(f"worker {number} ({peers[number]})" for number in missing) + ".")
        if missing:
            time.sleep(min(_PAUSE / 4, seconds))
    return None


def first_gone(peers: Mapping[int, str], seconds: float = 0.0) -> int | None:
    """The number of a peer that is gone, None where all are there.

    Args:
        peers: number -> "host:port".
        seconds: how long to look again while all answer: a process that was killed may do so for a moment.
    """
    begin = time.monotonic()
    while True:
        for number, address in peers.items():
            if _is_gone(address):
                return number
        if time.monotonic() - begin >= seconds:
            return None
        time.sleep(_PAUSE / 4)


def _is_gone(address: str) -> bool:
    for _ in range(_TRIES):
        if answers(address):
            return False
        time.sleep(_PAUSE / 4)
    return True


class PeerWatch:
    """Looks after peers, in a thread of its own.

    Args:
        peers: number -> "host:port" of those to look after.
        end: called in that thread with the number of one that is gone, a while after it was noticed; ends the process.
    """

    def __init__(self, peers: Mapping[int, str], end: Callable[[int], None]) -> None:
        self._peers = dict(peers)
        self._end = end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peer watch", daemon=True)

    def start(self) -> None:
        """Looks after them from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Whoever leaves from now on may."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE):
            lost = first_gone(self._peers)
            if lost is not None and not self._over.wait(_GRACE):
                self._end(lost)
                return
