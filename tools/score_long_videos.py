"""Scores how well objects keep their identity through long videos, and measures what a video's length costs.

    python tools/make_dataset.py --preset=quickstart_long --split=test --num_clips=24 --seed=7 --out=datasets/long
    python tools/score_long_videos.py --pretrained=quickstart --data_dir=datasets/long --out=pictures
    python tools/score_long_videos.py --run_dir=runs/quickstart --bench

The score is the foreground ARI over all frames of a clip, beside the mean of the same score over the windows it was cut
into, which needs no matching between them. Two ways of not matching stand beside it: the slot's number as identity, and
every window's slots as objects of their own. With --bench, peak memory and time of videos of several lengths, each in
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.cli.peak_memory import peak_bytes
from simone_tf.errors import UserError
from simone_tf.runs import flags as run_flags

if TYPE_CHECKING:
    import numpy as np

    from simone_tf.long_videos.window_model import Rendering, WindowModel

METHODS = ("matched", "slot_numbers", "unlinked")
LENGTHS = (64, 600, 2400)
_PASSES = 3
_FRAMES_IN_STRIP = 24


def parse_arguments(argv=None):
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="long_videos", description=__doc__.split("\n\n")[0])
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run_dir", help="folder of the run")
    model.add_argument("--pretrained", help="name or folder of a pretrained model instead")
    parser.add_argument("--data_dir", help="folder of long clips with segments, as make_dataset makes them")
    parser.add_argument("--split", default="test", help="split of --data_dir")
    parser.add_argument("--num_clips", type=int, help="only the first clips")
    parser.add_argument("--overlap", type=int, help="frames that neighbouring windows share (default: half a window)")
    parser.add_argument("--out", help="folder for a strip of pictures (PNG) of every clip")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--bench", action="store_true", help="measure memory and time by length")
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)  # one length, how --bench calls itself
    flags = parser.parse_args(argv)
    if not flags.data_dir and not flags.bench:
        parser.error("give --data_dir to score, or --bench to measure")
    if flags.num_clips is not None and flags.num_clips < 1:
        raise UserError(f"--num_clips={flags.num_clips} is out of range: choose 1 or more.")
    return flags


def score_clip(
    window_model: WindowModel,
    video: np.ndarray,
    segments: np.ndarray,
    overlap: int | None = None,
    given: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Scores one long clip.

    Args:
        window_model: `WindowModel`.
        video: `[F, H, W, 3]` float32 in [0, 1].
        segments: `[F, H, W]` int, 0 = background.
        overlap, given: as for `VideoDecomposition`.

    Returns:
        dict of `video_ari_foreground` over the whole clip for each of `METHODS`, `windows` (mean over the windows that
        show any foreground), `num_objects` (identities handed out by the matching), and `segments`, the identities of
        the largest masks with matching, `[F, H, W]`.
    """
    import numpy as np

    from simone_tf.long_videos.decomposition import VideoDecomposition
    from simone_tf.long_videos.tracks import SlotNumbers, Tracker, Unlinked

    watched = _Watched(window_model)
    scores = {}
    for method, tracker in zip(METHODS, (Tracker(), SlotNumbers(), Unlinked()), strict=True):
        decomposition = VideoDecomposition(watched, video, overlap, given=given, recompose=False, tracker=tracker)
        predicted = np.stack([parts.object_ids[parts.masks.argmax(0)] for parts in decomposition])
        scores[method] = float(_ari_foreground(segments[np.newaxis], predicted[np.newaxis])[0])
        if method == "matched":
            latents = decomposition.latents()
            scores |= {"num_objects": len(latents["merged_object_ids"]), "segments": predicted}
            true = np.stack([_window(segments, start, window_model.num_frames) for start in latents["window_starts"]])
            scores["windows"] = float(np.nanmean(_ari_foreground(true, np.concatenate(watched.segments))))
            watched.segments = None
    return scores


class _Watched:
    """A window model that keeps the segments it rendered, until told otherwise."""

    def __init__(self, window_model):
        self._model = window_model
        self.segments = []

    def __getattr__(self, name):
        return getattr(self._model, name)

    def render(self, latents: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> Rendering:
        rendering = self._model.render(latents, given)
        if self.segments is not None:
            self.segments.append(rendering.slot_masks.argmax(axis=1))
        return rendering


def _window(segments, start, num_frames):
    """The window's true segments; a short clip's last one is held, as its last frame is."""
    import numpy as np

    return segments[np.minimum(np.arange(start, start + num_frames), len(segments) - 1)]


def _ari_foreground(segments, predicted):
    from simone_tf.evaluation.scores.segmentation import SegmentationScores

    scores = SegmentationScores()
    scores.update(segments, predicted)
    return scores.per_clip()["video_ari_foreground"]


def score(flags: argparse.Namespace) -> None:
    """Scores every clip of the data and prints the scores, and their mean over clips."""
    import numpy as np

    from simone_tf.data.formats.records import ClipRecords
    from simone_tf.data.pipeline.batches import evaluation_batches
    from simone_tf.data.pipeline.explain import data_faults_told

    window_model = run_flags.read_window_model(flags)
    reader = ClipRecords(data_dir=flags.data_dir, split=flags.split)
    num_frames = reader.clip_shape()[0]
    batches = evaluation_batches(
        reader,
        batch_size=1,
        num_frames=num_frames,
        num_clips=flags.num_clips,
        fields=("video", "segments", *window_model.given),
        frame_size=window_model.frame_size,
    )
    clips = []
    with data_faults_told(reader, ("video", "segments", *window_model.given), num_frames):
        for index, batch in enumerate(batches):
            video, segments = batch["video"].numpy()[0], batch["segments"].numpy()[0]
            given = {name: batch[name].numpy()[0] for name in window_model.given}
            scores = score_clip(window_model, video, segments, flags.overlap, given)
            predicted = scores.pop("segments")
            if flags.out:
                save_strip(os.path.join(flags.out, f"long_video_{index}.png"), video, segments, predicted)
            clips.append(scores)
            if not flags.json:
                say(_line(f"clip {index}", scores))
    mean = {name: float(np.nanmean([scores[name] for scores in clips])) for name in clips[0]}
    mean["ratio"] = mean["matched"] / mean["windows"] if mean["windows"] else float("nan")
    spread = {name: float(np.nanstd([scores[name] for scores in clips])) for name in clips[0]}
    if flags.json:
        say(json.dumps({"clips": clips, "mean": mean, "spread": spread}))
        return
    say(_line("mean", mean))
    say(_line("spread", spread) + " (standard deviation between clips)")
    say(f"\nThe whole video reaches {mean['ratio']:.3f} of the windows' own score.")


def _line(name, scores):
    return (
        f"{name:>8}: windows {scores['windows']:.3f}, whole video {scores['matched']:.3f}, by slot numbers "
        f"{scores['slot_numbers']:.3f}, unlinked {scores['unlinked']:.3f}; {scores['num_objects']:.3g} identities"
    )


def save_strip(path, video, segments, predicted):
    """Writes rows of frames, spread over the clip: video, true segments, identities in colours of their own."""
    import numpy as np

    from simone_tf.pictures.colours import colour_segments, slot_colours
    from simone_tf.pictures.image_files import save_png
    from simone_tf.pictures.pixels import as_uint8

    identities, compact = np.unique(predicted, return_inverse=True)
    colours = slot_colours(len(identities), compact.reshape(predicted.shape), segments)
    shown = np.unique(np.linspace(0, len(video) - 1, _FRAMES_IN_STRIP).round().astype(int))
    rows = [
        as_uint8(video[shown]),
        colour_segments(segments[shown]),
        colours[compact.reshape(predicted.shape)[shown]],
    ]
    scale = max(1, 64 // video.shape[1])
    strip = np.concatenate([np.concatenate(list(np.pad(row, _BORDER)), axis=1) for row in rows])
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    except OSError as error:
        raise UserError(f"{os.path.dirname(path)} cannot be made ({error.strerror}): choose another --out.") from error
    save_png(path, strip.repeat(scale, axis=0).repeat(scale, axis=1))


_BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))


def measure(model_flag, lengths=LENGTHS):
    """Measures videos of several lengths, each in a process of its own.

    Args:
        model_flag: `--run_dir=...` or `--pretrained=...`.
        lengths: in frames, ascending; the first is what the others are compared with.

    Returns:
        dict of `lengths`, a list of dicts (`frames`, `seconds`, `peak_bytes`), and by length other than the first
        `memory_ratio` (peak by the first's peak) and `time_ratio` (time per frame by the first's).

    Raises:
        UserError: the run cannot be read, or a process died.
    """
    measured = [_in_own_process(model_flag, frames) for frames in lengths]
    first, *others = measured
    return {
        "lengths": measured,
        "memory_ratio": {item["frames"]: item["peak_bytes"] / first["peak_bytes"] for item in others},
        "time_ratio": {
            item["frames"]: item["seconds"] / item["frames"] * first["frames"] / first["seconds"] for item in others
        },
    }


def _in_own_process(model_flag, frames):
    line = [sys.executable, os.path.abspath(__file__), model_flag, "--bench", f"--part={frames}"]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    mistakes = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    reason = f"The measurement of {frames} frames ended with code {done.returncode} (-9: out of memory)."
    raise UserError(mistakes[-1] if mistakes else reason)


def measure_length(flags: argparse.Namespace, frames: int) -> dict[str, Any]:
    """Takes apart a video of so many frames; the clock starts when the model is loaded and traced."""
    import numpy as np

    from simone_tf.long_videos.decomposition import VideoDecomposition

    window_model = run_flags.read_window_model(flags)

    def take_apart(count):
        begin = time.perf_counter()
        given = {name: np.zeros((count, size), np.float32) for name, size in window_model.given.items()}
        frames = moving_square(count, window_model.frame_size)
        decomposition = VideoDecomposition(window_model, frames, given=given)
        for _ in decomposition:
            pass
        decomposition.latents()
        return time.perf_counter() - begin

    take_apart(4 * window_model.num_frames)
    seconds = take_apart(frames)
    peak = peak_bytes()
    seconds = min(seconds, *(take_apart(frames) for _ in range(_PASSES - 1)))
    return {"frames": frames, "seconds": seconds, "peak_bytes": peak}


def moving_square(count, frame_size):
    """Frames of a square that goes round and round over a floor, `[H, W, 3]` uint8 each."""
    import numpy as np

    height, width = frame_size
    side = max(1, min(height, width) // 4)
    for index in range(count):
        frame = np.full((height, width, 3), 120, np.uint8)
        angle = index / 6
        row = round((height - side) * (1 + np.sin(angle)) / 2)
        column = round((width - side) * (1 + np.cos(angle)) / 2)
        frame[row : row + side, column : column + side] = (220, 60, 40)
        yield frame


def print_measured(measured):
    """Prints what `measure` returned."""
    for item in measured["lengths"]:
        say(
            f"{item['frames']:>6} frames: peak memory {item['peak_bytes'] / 2**20:.0f} MiB, {item['seconds']:.2f} s, "
            f"{item['frames'] / item['seconds']:.0f} frames/s"
        )
    first = measured["lengths"][0]["frames"]
    for frames, ratio in measured["memory_ratio"].items():
        say(
            f"{frames} against {first} frames: {ratio:.3f} x the peak memory, {measured['time_ratio'][frames]:.3f} x "
            "the time per frame"
        )


def main(argv=None):
    """Runs the command."""
    flags = parse_arguments(argv)
    from simone_tf.cli import quiet_tensorflow  # noqa: F401

    if flags.part:
        say(json.dumps(measure_length(flags, flags.part)))
    elif flags.bench:
        measured = measure(f"--pretrained={flags.pretrained}" if flags.pretrained else f"--run_dir={flags.run_dir}")
        say(json.dumps(measured)) if flags.json else print_measured(measured)
    if flags.data_dir:
        score(flags)


if __name__ == "__main__":
    command.run(main, interrupted="pictures written so far are kept")
