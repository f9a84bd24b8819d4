"""What lies in a folder of checkpoints: which are whole, which the list names, and what a killed save left."""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line
from simone_tf.files import replacing
from simone_tf.plain_paths import plain_folder
from simone_tf.training.checkpoint_index import NotWhole, check_whole, data_files

# What TensorFlow leaves in the folder when it is killed while it saves: parts of a checkpoint, and of the list.
_UNFINISHED_FOLDER, _UNFINISHED_LIST = r"ckpt-\d+_temp", r"checkpoint\.tmp[0-9a-f]{32}"

# Of a checkpoint beside its variables: names, shapes and sums, and the list of checkpoints.
_OVERHEAD_BYTES = 2**17


class Found(NamedTuple):
    """The checkpoints of a folder by their names, `ckpt-<step>`."""

    whole: list[str]  # in the order of their steps
    listed: list[str]  # those of the list, the newest last, that are whole
    named: list[str]  # all of the list
    not_whole: dict[str, str]  # name -> what is wrong with it

    @property
    def newest(self) -> str | None:
        """The one to go on from, None where there is none; the list may be damaged or name what is gone."""
        names = self.listed or self.whole
        return names[-1] if names else None


def look_into(folder: str, data: bool = True) -> Found:
    """Reads the list and the index of every checkpoint; a checkpoint is one when its files are whole.

    Args:
        folder: where they are.
        data: whether the data files have to be whole as well as the index.

    Raises:
        UserError: the folder, or a file in it, cannot be read.
    """
    whole, not_whole = [], {}
    try:
        for name in _with_index(folder):
            try:
                (check_whole if data else data_files)(os.path.join(folder, name))
                whole.append(name)
            except NotWhole as error:
                not_whole[name] = str(error)
        named = _named(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({first_line(error)}), so that it is not known whether the run "
            "has a checkpoint there: make it readable, or name another --run_dir."
        ) from error
    return Found(whole, [name for name in named if name in whole], named, not_whole)


def tell_not_whole(folder: str, found: Found) -> None:
    """Says in one line on stderr what newer checkpoints than the newest whole one do not count, and what does."""
    newest = found.newest
    passed_over = [name for name in found.whole if newest is not None and step_of(name) > step_of(newest)]
    if passed_over:
        say(
            f"{os.path.join(folder, passed_over[-1])} is not in the list of checkpoints beside it (the file "
            f"checkpoint): {newest}, the newest in the list, is taken.",
            sys.stderr,
        )
    newer = [name for name in found.not_whole if newest is None or step_of(name) > step_of(newest)]
    if not newer:
        return
    last = max(newer, key=step_of)
    others = f", nor {'is' if len(newer) == 2 else 'are'} {len(newer) - 1} before it" if len(newer) > 1 else ""
    instead = f"{newest} is taken" if newest else "there is no other"
    say(
        f"{os.path.join(folder, last)} is not whole ({found.not_whole[last]}){others}: it does not count, {instead}.",
        sys.stderr,
    )


def open_for_writing(folder: str) -> Found:
    """`look_into` of a folder that a run is going to save to: leftovers are removed, and the list is put right.

    TensorFlow starts afresh in silence when its list, the file `checkpoint`, is gone or damaged. From a list with the
    paths of another folder, of which this is a copy, it would restore what is there, and delete what is old there.

    Raises:
        UserError: checkpoints that the folder lists are gone, or the folder cannot be read or written.
    """
    found = look_into(folder)
    if found.named and not found.whole and not found.not_whole:
        raise UserError(
            f"{os.path.join(folder, found.named[-1])} is damaged, its index file is gone; put the checkpoint back, or "
            "choose another --run_dir to start afresh."
        )
    if len(found.not_whole) > 1 and not found.whole:
        last = max(found.not_whole, key=step_of)
        raise UserError(
            f"None of the {len(found.not_whole)} checkpoints in {folder} is whole ({last}: {found.not_whole[last]}): "
            "put their files back, or choose another --run_dir to start afresh."
        )
    tell_not_whole(folder, found)
    try:
        _remove_unfinished(folder)
        if found.listed != found.named or (found.whole and not found.listed) or _lists_another(folder):
            _write_list(folder, found.listed or found.whole)
    except OSError as error:
        raise unwritable(folder, error) from error
    return found


def unwritable(folder: str, error: Exception, plain: str | None = None) -> UserError:
    """What is told when a checkpoint cannot be written.

    Args:
        folder: where to.
        error: what the system or TensorFlow says.
        plain: what the folder was called in that, see `plain_folder`.
    """
    reason = first_line(error)
    if plain:
        reason = reason.replace(plain, folder)
    return UserError(
        f"{folder}: the checkpoint could not be written ({reason}); free space or choose another --run_dir."
    )


def check_room(folder: str, num_bytes: int, named: str) -> None:
    """Looks before it is begun whether there is room for a checkpoint beside those that are there.

    Args:
        folder: where it will be written.
        num_bytes: of its variables.
        named: what messages call the folder.

    Raises:
        UserError: less is free.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # remote storage: writing will tell
    needed = num_bytes + _OVERHEAD_BYTES
    if free < needed:
        reason = f"it needs {needed / 2**20:.1f} MiB, {free / 2**20:.1f} MiB are free"
        raise UserError(
            f"{named}: the checkpoint could not be written ({reason}); free space or choose another --run_dir."
        )


def _with_index(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((name[:-6] for name in names if re.fullmatch(r"ckpt-\d+\.index", name)), key=step_of)


def step_of(name: str) -> int:
    """The step of a checkpoint by its name."""
    return int(name.removeprefix("ckpt-"))


def _named(folder: str) -> list[str]:
    """Names of the checkpoints in TensorFlow's list, the newest last; none where it is not there or damaged."""
    if not os.path.isfile(os.path.join(folder, "checkpoint")):
        return []
    with _list_of(folder) as (_, paths):
        return [os.path.basename(path) for path in paths]


def _lists_another(folder: str) -> bool:
    """Whether TensorFlow's list names checkpoints in another folder than its own."""
    if not os.path.isfile(os.path.join(folder, "checkpoint")):
        return False
    with _list_of(folder) as (plain, paths):
        return any(os.path.dirname(path) != plain for path in paths)


@contextlib.contextmanager
def _list_of(folder: str) -> Iterator[tuple[str, list[str]]]:
    """The folder's name for TensorFlow, and the paths in its list, the newest last; none where the list is damaged."""
    with plain_folder(folder) as plain:
        try:
            state = tf.train.get_checkpoint_state(plain)
        except (ValueError, tf.errors.OpError):
            state = None
        yield plain, list(state.all_model_checkpoint_paths) if state else []


def _write_list(folder: str, names: list[str]) -> None:
    path = os.path.join(folder, "checkpoint")
    if not names:
        os.remove(path)  # It names only what is not whole.
        return
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(f'model_checkpoint_path: "{names[-1]}"\n')
        for name in names:
            # Without its time a checkpoint would never be deleted.
            seconds = os.path.getmtime(os.path.join(folder, f"{name}.index"))
            file.write(f'all_model_checkpoint_paths: "{name}"\nall_model_checkpoint_timestamps: {seconds}\n')


def _remove_unfinished(folder: str) -> None:
    """Removes what a save that was killed left; of no other name, and nothing that a link leads to."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in list(entries):
            if re.fullmatch(_UNFINISHED_FOLDER, entry.name) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif re.fullmatch(_UNFINISHED_LIST, entry.name) and entry.is_file(follow_symlinks=False):
                os.remove(entry.path)
