"""The processes that train together: who they are, what they decide alike, and the end when one of them is lost."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

import tensorflow as tf

from simone_tf import interrupts
from simone_tf.cli.console import say
from simone_tf.errors import LostWorkerError, UserError
from simone_tf.training.peer_watch import PeerWatch, first_gone, wait_for

START_SECONDS = 600.0
"""How long the workers wait for each other at the start: the machines of a cluster do not start together."""

# Numbers agreed on at a time, besides the clock and the signal.
_MOST_VALUES = 4
# Seconds in which who is lost is looked for when TensorFlow has met a closed connection.
_LOOKING_SECONDS = 20.0
# Seconds that a save may go on after another worker was lost.
_SAVING_SECONDS = 30.0
# What collectives raise when a peer is gone; others are faults of this process.
_OF_PEERS = (
    tf.errors.UnavailableError,
    tf.errors.CancelledError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class Workers:
    """What one process knows of all that train together.

    A step needs all of them, so whatever decides if there is a next one has to be decided by all alike: what differs
    between them (clocks, signals, what is in files) goes through `agreed`, which every worker calls at the same places.

    Args:
        strategy: what trains; of any other than `MultiWorkerMirroredStrategy` this process is the only worker.

    Attributes:
        count: how many there are.
        index: which of them this is; worker 0 is the chief, who alone writes the run's files.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        addresses: list[str] = []
        self.index = 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            addresses = strategy.cluster_resolver.cluster_spec().as_dict().get("worker", [])
            self.index = strategy.cluster_resolver.task_id or 0
        self.count = max(1, len(addresses))
        self._addresses = dict(enumerate(addresses))
        self._begin = time.monotonic()
        self._now = 0.0
        self._is_asked = False
        self._undisturbed = threading.Lock()
        self._others = {number: address for number, address in self._addresses.items() if number != self.index}
        # Through the chief everybody learns of everybody's end.
        watched = {0: self._addresses[0]} if self.index else self._others
        self._watch = PeerWatch(watched, self._end_process)
        self._gathered = tf.function(self._gather, autograph=False)

    @property
    def is_chief(self) -> bool:
        """Whether this is worker 0, or the only one."""
        return self.index == 0

    def meet(self, seconds: float = START_SECONDS) -> None:
        """Waits for all others at the start and looks after them from then on; a process alone does nothing.

        Raises:
            UserError: one did not come up within `seconds`.
        """
        if self.count == 1:
            return
        say(f"Worker {self.index} of {self.count} ({self._addresses[self.index]}); worker 0 writes and tells for all.")
        missing = wait_for(self._others, seconds)
        if missing is not None:
            raise UserError(
                f"TF_CONFIG: worker {missing} does not answer at {self._others[missing]} within {seconds:g} seconds: "
                "start the same command there, and see to it that the address can be reached from here."
            )
        self._watch.start()
        # What listens at an address may be something else, for which a collective would wait without end.
        patience = threading.Timer(seconds, self._end_unmet, [seconds])
        patience.daemon = True
        patience.start()
        self.agreed()
        patience.cancel()

    def part(self) -> None:
        """Waits until all others have come as far as this, the end; from then on they may leave."""
        if self.count > 1:
            self.agreed()
            self.leave()

    def leave(self) -> None:
        """Whoever is gone from now on is not missed: all know that they end here, some sooner than others."""
        self._watch.stop()

    def agreed(self, *values: float) -> list[float]:
        """The greatest that any worker gives, of each value: alike on all workers, which all call this.

        Signals are agreed on by the way, see `stop_if_asked`, and so is the `clock`. Of a process alone these are its
        values.

        Raises:
            LostWorkerError: another worker is gone.
        """
        if self.count == 1:
            return list(values)
        row = [time.monotonic() - self._begin, float(interrupts.signal_number()), *values]
        row += [0.0] * (_MOST_VALUES + 2 - len(row))
        with self.losses_told():
            table = self._gathered(tf.constant(row, tf.float64)).numpy()
        now, number, *greatest = table.max(axis=0).tolist()
        self._now = now
        if number:
            interrupts.take_over(int(number))
            self._is_asked = True
        return greatest[: len(values)]

    def is_alike(self, value: float) -> bool:
        """Whether all workers give the same value, which all of them learn."""
        greatest, least = self.agreed(value, -value)
        return greatest == -least

    def clock(self) -> float:
        """Seconds; of several workers those of the last `agreed`, so that it is the same time for all."""
        return time.perf_counter() if self.count == 1 else self._now

    def stop_if_asked(self) -> None:
        """Raises KeyboardInterrupt where a signal has come; of several workers, to any before the last `agreed`."""
        if self.count == 1:
            interrupts.stop_if_asked()
        elif self._is_asked:
            self.leave()
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def in_step(self) -> Iterator[None]:
        """Of several workers, signals raise nothing in the block: what they ask for is done by all at the same step."""
        if self.count == 1:
            yield
            return
        lost = None
        try:
            with interrupts.held():
                try:
                    yield
                except LostWorkerError as error:
                    lost = error
                    raise
        except KeyboardInterrupt:
            if lost is not None:  # Nothing was saved on the signal, which came too late for that.
                raise lost from None
            raise

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What the chief does while the others wait for the next `agreed`; a signal ends it, and is told them there."""
        if self.count == 1:
            yield
            return
        with contextlib.suppress(KeyboardInterrupt), interrupts.released():
            yield

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """The loss of another worker does not end this process within the block; not for long ones."""
        with self._undisturbed:
            yield

    @contextlib.contextmanager
    def losses_told(self) -> Iterator[None]:
        """What TensorFlow raises because another worker is gone is told as that.

        Raises:
            LostWorkerError: another worker is gone.
        """
        try:
            yield
        except _OF_PEERS as error:
            lost = first_gone(self._others, _LOOKING_SECONDS) if self.count > 1 else None
            if lost is None:
                raise
            self._watch.stop()  # It would tell the same.
            raise LostWorkerError(self._loss(lost)) from error

    def _gather(self, row: tf.Tensor) -> tf.Tensor:
        """The rows `[n]` of all workers, `[count, n]`."""

        def in_replica() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            locals_ = context.num_replicas_in_sync // self.count
            is_first = tf.equal(context.replica_id_in_sync_group % locals_, 0)
            mine = tf.one_hot(self.index, self.count, dtype=tf.float64)[:, None] * row[None]
            mine = tf.where(is_first, mine, tf.zeros_like(mine))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return self._strategy.experimental_local_results(self._strategy.run(in_replica))[0]

    def _loss(self, number: int) -> str:
        return (
            f"Worker {number} of {self.count} ({self._addresses[number]}) is gone, why is in its own output: start the "
            "same command on all workers again, which goes on from the newest checkpoint."
        )

    def _end_unmet(self, seconds: float) -> None:
        say(
            f"Error: TF_CONFIG: all addresses answer, and not all workers take part within {seconds:g} seconds: see to "
            f"it that each of {', '.join(self._addresses.values())} is a worker of this job.",
            sys.stderr,
        )
        os._exit(2)

    def _end_process(self, lost: int) -> None:
        """Ends this process from the thread that watches, as the main thread may wait for the lost worker for ever."""
        self._undisturbed.acquire(timeout=_SAVING_SECONDS)
        say(f"Error: {self._loss(lost)}", sys.stderr)
        os._exit(1)
