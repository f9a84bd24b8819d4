"""Making a split of generated clips on disk: several processes, resumable, the same bytes however it was made."""

import contextlib
import dataclasses
import glob
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.sidecar import SIDECAR, merge_split, read_sidecar, sidecar_held, split_held, write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.tfrecords import tfrecord
from simone_tf.errors import UserError, first_line
from simone_tf.scenes.cater_format import cater_shard_name, write_cater_shard
from simone_tf.scenes.preset import ClipPreset, preset_to_json
from simone_tf.scenes.processes import RenderProcesses

# Goes up whenever the same settings give other clips, so that a set is never continued with different ones.
GENERATOR_VERSION = 2
FORMATS: dict[str, tuple[Callable, Callable]] = {
    "clip": (write_shard, shard_name),
    "cater_with_masks": (write_cater_shard, cater_shard_name),
}


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """What a split consists of: clip i is `generate_clip(preset, seed, i, views)`, shards in that order."""

    preset: ClipPreset
    split: str
    seed: int
    num_clips: int
    clips_per_shard: int
    format: str = "clip"
    # Cameras all around each scene in place of the clip's own, 0 for the clips themselves; see `views_of`.
    views: int = 0

    @property
    def frames(self) -> int:
        """Frames of each clip."""
        return self.views or self.preset.frames

    def views_of(self, views: int) -> "SplitPlan":
        """The split beside this one that shows the same scenes from all around: `test_views` of `test`."""
        return dataclasses.replace(self, split=f"{self.split}_views", views=views)

    def shards(self) -> dict[str, range]:
        """Returns the clip numbers of each shard, by file name, in order."""
        starts = range(0, self.num_clips, self.clips_per_shard)
        name = FORMATS[self.format][1]
        return {
            name(self.split, i, len(starts)): range(start, min(start + self.clips_per_shard, self.num_clips))
            for i, start in enumerate(starts)
        }

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as the sidecar holds them, under `generator`."""
        settings = {
            "generator_version": GENERATOR_VERSION,
            "format": self.format,
            "seed": self.seed,
            "num_clips": self.num_clips,
            "clips_per_shard": self.clips_per_shard,
            "preset": preset_to_json(self.preset),
        }
        if self.views:
            settings["views"] = self.views
        return json.loads(json.dumps(settings))


def make_split(
    plan: SplitPlan,
    data_dir: str,
    workers: int = 1,
    on_clip: Callable[[float], None] = lambda cpu_seconds: None,
    on_shard: Callable[[str, int, bool], None] = lambda name, clips, kept: None,
) -> int:
    """Writes all shards of a split that are not there yet; each appears only once it is complete.

    Args:
      plan: what to make.
      data_dir: the dataset's folder, made when missing; its other splits stay as they are.
      workers: number of processes that render; the files do not depend on it.
      on_clip: called after each clip made with the processor time in seconds that its rendering took.
      on_shard: called for each shard with its name, its number of clips and whether it was there already.

    Returns:
      The number of clips made now.

    Raises:
      UserError: the folder holds something else, cannot be written, or rendering is not possible.
    """
    # Told before the folder is made, and before the lock, which says less.
    _check_folder(plan, data_dir)
    with contextlib.ExitStack() as stack:
        with _write_faults(data_dir):
            stack.enter_context(split_held(data_dir, plan.split))
        return _make_split(plan, data_dir, workers, on_clip, on_shard)


def _make_split(plan: SplitPlan, data_dir: str, workers: int, on_clip: Callable, on_shard: Callable) -> int:
    """`make_split` of one that nobody else makes meanwhile."""
    shards = plan.shards()
    kept = [name for name, clips in shards.items() if _is_complete(os.path.join(data_dir, name), len(clips))]
    todo = [name for name in shards if name not in kept]
    with contextlib.ExitStack() as stack:
        if todo:
            processes = stack.enter_context(RenderProcesses(min(workers, plan.num_clips)))
            if plan.preset.is_rendered:
                processes.check()
            wanted = (index for name in todo for index in shards[name])
            clips = processes.timed_clips(plan.preset, plan.seed, wanted, plan.views)
        with _write_faults(data_dir), sidecar_held(data_dir):
            _remove_leftovers(data_dir, SIDECAR)
            # Again: of two splits that are begun together one must see the other.
            _check_folder(plan, data_dir)
            # Before the first shard, so that an interrupted set can be told from a set made with other settings.
            merge_split(data_dir, plan.split, _state(plan, kept))
        for name in kept:
            on_shard(name, len(shards[name]), True)
        for name in todo:
            path = os.path.join(data_dir, name)
            with _write_faults(path):
                _remove_leftovers(data_dir, name)
                FORMATS[plan.format][0](path, _counted(itertools.islice(clips, len(shards[name])), on_clip))
                kept.append(name)
                write_sidecar(data_dir, plan.split, _state(plan, kept))
            on_shard(name, len(shards[name]), False)
    return sum(len(shards[name]) for name in todo)


def _remove_leftovers(data_dir: str, name: str) -> None:
    """Removes the temporary files of a killed run that was writing `name`."""
    for leftover in glob.glob(os.path.join(glob.escape(data_dir), f".{glob.escape(name)}.*.tmp")):
        os.remove(leftover)


def _counted(
    clips: Iterable[tuple[dict[str, np.ndarray], float]], on_clip: Callable[[float], None]
) -> Iterator[dict[str, np.ndarray]]:
    for clip, cpu_seconds in clips:
        yield clip
        on_clip(cpu_seconds)


def _check_folder(plan: SplitPlan, data_dir: str) -> None:
    splits = (read_sidecar(data_dir) or {"splits": {}})["splits"]
    wanted = plan.to_json()
    found = splits.get(plan.split, {}).get("generator")
    if plan.split in splits and found != wanted:
        raise UserError(
            f"{data_dir} already holds a split {plan.split!r} made with other settings ({_difference(found, wanted)}): "
            "choose another folder, or repeat those settings to continue it."
        )
    if plan.split not in splits:
        first = next(iter(plan.shards()))
        pattern = os.path.join(glob.escape(data_dir), glob.escape(first.split("-00000-of-")[0]) + "-*-of-*")
        strangers = sorted(glob.glob(pattern))
        if strangers:
            raise UserError(f"{strangers[0]} is there but not known to {data_dir}/dataset.json: choose another folder.")
    for other, info in splits.items():
        generator = info.get("generator")
        alike = ("seed", "preset", "views")
        same = isinstance(generator, dict) and all(generator.get(key) == wanted.get(key) for key in alike)
        if other != plan.split and same:
            raise UserError(
                f"Split {other!r} in {data_dir} was made with seed {plan.seed}, so {plan.split!r} would hold the same "
                "clips: choose another --seed."
            )


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return "not by this generator"
    names = dict.fromkeys((*wanted, *found))
    pairs = [(name, found.get(name), wanted.get(name)) for name in names if name != "preset"]
    was, now = found.get("preset"), wanted["preset"]
    was = was if isinstance(was, dict) else {}
    pairs += [(f"preset {name}", was.get(name), now[name]) for name in now]
    return next((f"{name} {old}, now {new}" for name, old, new in pairs if old != new), "more of them")


def _is_complete(path: str, num_clips: int) -> bool:
    if not os.path.exists(path):
        return False
    try:
        return tfrecord.count_records(path, tfrecord.sniff_compression(path)) == num_clips
    except UserError:
        return False


def _state(plan: SplitPlan, present: list[str]) -> dict[str, Any]:
    counts = {name: len(clips) for name, clips in plan.shards().items() if name in present}
    return {
        "num_clips": sum(counts.values()),
        "shards": counts,
        "frames": plan.frames,
        "height": plan.preset.size,
        "width": plan.preset.size,
        "fields": list(plan.preset.fields),
        "attributes": plan.preset.attributes(),
        "generator": plan.to_json(),
    }


@contextlib.contextmanager
def _write_faults(path: str) -> Iterator[None]:
    """Turns what a full or read-only disk raises into one sentence."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = first_line(error).split("; ")[-1]  # TensorFlow names the temporary file first.
        raise UserError(
            f"{path} could not be written ({reason}): free some space or choose another folder, then run the "
            "same command again; finished shards are kept."
        ) from error
