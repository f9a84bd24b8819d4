"""The folder of a run as several workers have it: the chief's, which the others must see as well."""

import contextlib
import os
import random
import shutil
import time
from collections.abc import Iterator

from simone_tf.errors import UserError
from simone_tf.training.workers import Workers

_NAME = ".workers"
# Seconds that a network folder may take to show what another machine has written, and between two looks.
_PATIENCE, _PAUSE = 60.0, 0.5


@contextlib.contextmanager
def shared_folder(run_dir: str | os.PathLike, workers: Workers) -> Iterator[str]:
    """Makes sure that several workers see one and the same folder of a run.

    The chief makes a hidden folder in it, `.workers`, for the time of the block, and so clears away what killed workers
    left there; the others look for a file in it whose name only the chief can know.

    Args:
        run_dir: the run's folder, as this worker calls it; nothing is made in one that is not the chief's.
        workers: all of them; every one of them calls this.

    Yields:
        A name in the hidden folder for what this worker alone writes; there is nothing yet.

    Raises:
        UserError: a worker sees another folder.
        OSError: the chief cannot write there.
    """
    folder = os.path.join(run_dir, _NAME)
    mark = float(random.SystemRandom().getrandbits(50)) if workers.is_chief else 0.0
    try:
        if workers.is_chief:
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            with open(_marked(folder, mark), "w", encoding="utf-8"):
                pass
        (mark,) = workers.agreed(mark)
        is_seen = _waited_for(_marked(folder, mark))
        (blind,) = workers.agreed(0.0 if is_seen else float(workers.index))
        if blind:
            raise UserError(
                f"--run_dir={run_dir}: worker {int(blind)} does not see there what worker 0 writes: name a folder on a "
                "file system that all workers share, by the same path on each."
            )
        yield os.path.join(folder, str(workers.index))
    finally:
        if workers.is_chief:
            shutil.rmtree(folder, ignore_errors=True)


def _marked(folder: str, mark: float) -> str:
    return os.path.join(folder, f"{int(mark):x}")


def _waited_for(path: str) -> bool:
    begin = time.monotonic()
    while not os.path.exists(path):
        if time.monotonic() - begin >= _PATIENCE:
            return False
        time.sleep(_PAUSE)
    return True
