"""The evaluation of one run: measures, probes, pictures and report, written to `<run_dir>/evaluation`."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from simone_tf import locks
from simone_tf.cli.console import say
from simone_tf.cli.progress import progress
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.mixture import Mixture, alone, sets_of
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.clip_store import ClipStore
from simone_tf.evaluation.measures import clip_scores, measure_clips, summarize
from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.probe_scores import ProbeRow
from simone_tf.evaluation.probes.run_probes import can_probe, probed_measures, run_probes
from simone_tf.evaluation.report.gallery import draw_gallery, not_drawn
from simone_tf.evaluation.report.report import write_report
from simone_tf.evaluation.report.tables import write_tables
from simone_tf.evaluation.report.training_curves import training_curves
from simone_tf.evaluation.report.view_gallery import draw_views
from simone_tf.evaluation.shared_clips import shared_file
from simone_tf.evaluation.views.baselines import mean_image
from simone_tf.evaluation.views.measure_views import measure_views, summarize_views, view_scores
from simone_tf.evaluation.views.plan import check_num_context_frames, plan_views
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.tasks import ViewTask
from simone_tf.files import without_nan
from simone_tf.runs.load import Run

FOLDER = "evaluation"
MAX_TESTED_CLIPS = 2000
"""The first held-out clips that the probes are tested on; more would cost memory, not change a score."""

_SPLIT_INSTEAD = "the probes are trained on some of the held-out clips and tested on the others."


def evaluate_run(
    run: Run,
    *,
    num_clips: int | None = None,
    num_probe_clips: int = 1000,
    num_pictures: int = 12,
    batch_size: int | None = None,
    paper_name: str | None = None,
    num_context_frames: int | None = None,
    flags: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluates one run and writes `<run_dir>/evaluation/`, also while the run is being trained.

    Args:
        run: the trained run.
        num_clips: held-out clips, None for all.
        num_probe_clips: clips of the training split that the probes are trained on; 0 splits the held-out clips.
        num_pictures: held-out clips drawn.
        batch_size: clips measured at a time; None for what the training used.
        paper_name: the paper's dataset that this one stands for, key of `paper.VIDEO_ARI_FOREGROUND`.
        num_context_frames: frames that a scene is shown by before unseen views of it are drawn, from 1 to T; None for
            the usual number, see `views.tasks.view_tasks`.
        flags: the command's flags, kept in `metrics.json` to tell later how it was made.

    Returns:
        dict as written to `metrics.json`.

    Raises:
        UserError: for anything the user can mend.
    """
    folder = os.path.join(run.run_dir, FOLDER)
    batch_size = batch_size or run.settings.evaluation_batch_size
    check_num_context_frames(num_context_frames, run.settings.num_frames)
    subject = f"{folder} is being written"
    with contextlib.ExitStack() as stack:
        with _told(folder):
            stack.enter_context(locks.held(locks.inside(folder, "evaluate"), subject, "evaluate a copy of the run"))
        return _evaluated(
            run, folder, num_clips, num_probe_clips, num_pictures, batch_size, paper_name, num_context_frames, flags
        )


def _evaluated(
    run: Run,
    folder: str,
    num_clips: int | None,
    num_probe_clips: int,
    num_pictures: int,
    batch_size: int,
    paper_name: str | None,
    num_context_frames: int | None,
    flags: Sequence[str],
) -> dict[str, Any]:
    """`evaluate_run` of one that nobody else evaluates meanwhile."""
    held_out = alone(run.settings.held_out_clips, "An evaluation", "train.held_out_clips")
    training = _same_set(run.settings.clips, held_out)
    # What is resumed apart is kept apart.
    test = _measured(run, held_out, os.path.join(folder, "held_out"), num_clips, batch_size, "held-out clips")
    summary = summarize(run, held_out, test, num_clips)
    summary["run"]["flags"] = list(flags)
    shared = shared_file(held_out, training)
    if shared is not None:
        summary["notes"].append(
            f"The held-out clips are clips of the training as well (both are read from {shared}): no score here tells "
            "how the model does on clips that it never saw."
        )
    scenes = SceneClips(held_out)
    views = _views(run, scenes, training, os.path.join(folder, "views"), num_clips, num_context_frames, batch_size)
    summary["views"] = views.summary
    summary["not_computed"] += views.missing
    summary["notes"] += views.notes
    rows, missing, notes = _probe(run, held_out, training, test, folder, num_clips, num_probe_clips, batch_size, shared)
    summary["not_computed"] += missing
    summary["notes"] += notes
    summary["probes"] = rows
    say("drawing ...")
    figures, explorers = draw_gallery(run, held_out, os.path.join(folder, "figures"), num_pictures)
    if num_pictures:
        summary["not_computed"] += not_drawn(run.model)
    view_figures, sweeps = draw_views(run, scenes, views.tasks, os.path.join(folder, "figures"), num_pictures)
    summary = without_nan(summary)
    with _told(folder):
        curves = training_curves(run.run_dir, run.model.loss_terms)
        write_tables(folder, summary, clip_scores(run.model, test, num_clips) | views.scores)
        write_report(
            os.path.join(folder, "report.html"),
            summary,
            curves=curves,
            figures=view_figures | figures,
            explorers=explorers,
            sweeps=sweeps,
            config=_read_config(run.run_dir),
            paper_name=paper_name,
        )
    return summary


def _probe(
    run: Run,
    held_out: ClipReader,
    training: ClipReader,
    test: ClipStore,
    folder: str,
    num_clips: int | None,
    num_probe_clips: int,
    batch_size: int,
    shared: str | None,
) -> tuple[list[ProbeRow], list[str], list[str]]:
    """`run_probes`, its training clips measured where there are any; none where they are the held-out ones."""
    num_tested = min(num_clips or MAX_TESTED_CLIPS, MAX_TESTED_CLIPS)
    probed = probed_measures(run.model)
    train, problems = None, []
    if num_probe_clips and can_probe(run.model, held_out):
        if shared is not None:
            return [], [_sharing(held_out, training, shared)], []
        try:
            readable = can_probe(run.model, training)
        except UserError as error:
            readable = False
            problems.append(f"The clips of the training cannot be read ({str(error).rstrip('.')}): {_SPLIT_INSTEAD}")
        if readable:
            train_folder = os.path.join(folder, "probe_training")
            measured = _measured(run, training, train_folder, num_probe_clips, batch_size, "clips for the probes")
            train = measured.load(probed, num_probe_clips)
    say("training the probes ...")
    settings = ProbeSettings(seed=run.settings.seed)
    rows, missing, notes = run_probes(run.model, train, test.load(probed, num_tested), held_out, settings)
    return rows, problems + missing, notes


class _ViewScores(NamedTuple):
    """What came of the unseen views."""

    tasks: list[ViewTask]
    summary: dict[str, Any]  # as `metrics.json` has it
    scores: dict[str, np.ndarray]  # of each clip
    missing: list[str]
    notes: list[str]


def _views(
    run: Run,
    scenes: SceneClips,
    training: ClipReader,
    folder: str,
    num_clips: int | None,
    num_context_frames: int | None,
    batch_size: int,
) -> _ViewScores:
    """Unseen views of the held-out clips, scored where model and data allow."""
    settings = run.settings
    tasks, missing = plan_views(run.model, scenes, settings.num_frames, num_context_frames)
    if not tasks:
        return _ViewScores([], {}, {}, [missing] if missing else [], [])
    notes = []
    try:
        image = mean_image(training, settings.frame_size, settings.num_frames)
    except UserError as error:
        notes.append(
            f"The clips of the training cannot be read ({str(error).rstrip('.')}): the mean image that unseen views "
            "are compared with is that of the held-out clips."
        )
        image = mean_image(scenes.clips, settings.frame_size, settings.num_frames)
    files = scenes.clips.files
    with progress("unseen views", num_clips or sum(files.count(shard) for shard in files.shards())) as shown:
        store = measure_views(run, scenes, folder, tasks, image, num_clips, batch_size, on_clips=shown.add)
    scores = view_scores(store, num_clips)
    return _ViewScores(tasks, summarize_views(tasks, scores), scores, [], notes)


def _same_set(training: ClipReader | Mixture, held_out: ClipReader) -> ClipReader:
    """Of a mixture the set that the held-out clips are of, as far as the folder tells; else its first."""
    sets = list(sets_of(training).values())
    return next((clips for clips in sets if clips.data_dir == held_out.data_dir), sets[0])


def _sharing(held_out: ClipReader, training: ClipReader, path: str) -> str:
    one, other = (f"{clips.data_dir} (split {clips.split!r})" for clips in (training, held_out))
    return (
        f"No probes: their clips to train on, {one}, and the held-out ones, {other}, both come from {path}, so that "
        "they would be tested on clips that they were trained on: name other held-out clips, or divide these by "
        "--num_probe_clips=0."
    )


def _measured(run: Run, clips: ClipReader, folder: str, num_clips: int | None, batch_size: int, what: str) -> ClipStore:
    known = num_clips or sum(clips.files.count(shard) for shard in clips.files.shards())
    with progress(what, known) as shown:
        store = measure_clips(run, clips, folder, num_clips, batch_size, on_clips=shown.add)
    say(f"{what}: {store.count()} measured")
    return store


def _read_config(run_dir: str) -> str:
    with open(os.path.join(run_dir, "config.gin"), encoding="utf-8") as file:
        return file.read()


@contextlib.contextmanager
def _told(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({first_line(error)}): free space, then run the same command again; measured "
            "clips are kept."
        ) from error
