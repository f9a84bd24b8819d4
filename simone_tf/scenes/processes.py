"""Processes that render clips.

OSMesa and TensorFlow each bring their own LLVM and end a process that loads both with a segmentation fault (seen with
Mesa 22.3 and TensorFlow 2.21, in either order). So clips are rendered in fresh processes that never see TensorFlow.
"""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from simone_tf.errors import UserError
from simone_tf.scenes.generate import generate_clip
from simone_tf.scenes.preset import ClipPreset
from simone_tf.scenes.render import check_renderer


def generate_clips(
    preset: ClipPreset, seed: int, indices: Iterable[int], workers: int = 1
) -> Iterator[dict[str, np.ndarray]]:
    """Yields `generate_clip(preset, seed, index)` for each index, from any program, also one that uses TensorFlow.

    A script that calls this keeps its own work under `if __name__ == "__main__":`, as multiprocessing asks for.

    Args:
      preset: what the scenes look like.
      seed: as in `generate_clip`.
      indices: numbers of the clips.
      workers: number of processes.

    Raises:
      UserError: as `generate_clip`, or a process died.
    """
    with RenderProcesses(workers) as processes:
        yield from processes.clips(preset, seed, indices)


class RenderProcesses:
    """A pool of processes that render; a context manager, which ends them.

    Raises (from all methods):
      UserError: scenes cannot be rendered here, or a process died.
    """

    def __init__(self, workers: int):
        self._workers = workers
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare_process)

    def __enter__(self) -> "RenderProcesses":
        return self

    def __exit__(self, *exception) -> None:
        self._pool.shutdown(cancel_futures=True)

    def check(self) -> None:
        """Makes sure that scenes can be rendered on this machine; the error says what to install."""
        with self._told_deaths():
            self._submit(check_renderer).result()

    def clips(self, preset: ClipPreset, seed: int, indices: Iterable[int]) -> Iterator[dict[str, np.ndarray]]:
        """Yields the clips in the order of `indices`; at most a few per process wait in memory."""
        for clip, _ in self.timed_clips(preset, seed, indices):
            yield clip

    def timed_clips(
        self, preset: ClipPreset, seed: int, indices: Iterable[int], views: int = 0
    ) -> Iterator[tuple[dict[str, np.ndarray], float]]:
        """Yields as `clips` does, each clip with the processor time in seconds that its process spent on it.

        With `views` the scenes are seen from all around, see `generate_clip`.
        """
        waiting = collections.deque()
        with self._told_deaths():
            for index in indices:
                waiting.append(self._submit(_timed_clip, preset, seed, index, views))
                if len(waiting) >= 8 * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _submit(self, work: Callable, *arguments) -> Future:
        # A process that starts now is born deaf to Ctrl-C: it would end with a traceback before `_prepare_process`.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(work, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @contextlib.contextmanager
    def _told_deaths(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool as error:
            raise UserError(
                f"A rendering process died (with {self._workers} of them, is memory short?): run the same command "
                "again, with fewer workers."
            ) from error


def _timed_clip(preset: ClipPreset, seed: int, index: int, views: int) -> tuple[dict[str, np.ndarray], float]:
    start = time.process_time()
    clip = generate_clip(preset, seed, index, views)
    return clip, time.process_time() - start


def _prepare_process() -> None:
    # Ctrl-C is for the process that holds the files; it ends the others in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process whose parent was killed would wait for work for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
