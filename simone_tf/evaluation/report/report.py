"""The evaluation as one HTML page that needs nothing else: no network, no other file."""

import base64
import importlib.util
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.findings import best_score
from simone_tf.evaluation.probes.probe_scores import ProbeRow
from simone_tf.evaluation.report import paper
from simone_tf.evaluation.report.traversals import Traversal
from simone_tf.evaluation.report.words import VIEW_SCORES, VIEW_TASKS, VIEWS, kl_in_words
from simone_tf.files import replacing

_TEMPLATE = os.path.join(os.path.dirname(__file__), "report.html.j2")
_PROBES = {
    "camera": (
        "Camera pose (Table 2)",
        "Test R² of location and orientation (Rodrigues vector), predicted from f_t, the latent of frame t; f_r, that "
        "of the frame whose camera is the origin; o_1..K, all object latents; t, the frame's number.",
    ),
    "trajectory": (
        "Object trajectories (Table 3)",
        "Test R² of an object's position at time t, predicted from o_k, the latent of its own slot; f_t, the latent of "
        "frame t; f_r, that of the frame whose camera is the origin; o_j,j!=k, the latents of all other slots; o_j, "
        "that of one other object; p_j,j!=k, the true positions of the other objects.",
    ),
    "attribute": (
        "Object attributes",
        "Predicted from o_k, the latent of the object's slot: accuracy for categories, test R² for numbers.",
    ),
}
_IN_FRAMES = (
    " Objects of this model have a latent in every frame: o_k is the mean of an object's, o_k(t) that of frame t, and "
    "so for the others."
)
_CAMERA_BASELINES = (
    ("from t alone", ("f_t",), "r2_clock"),
    ("from o_1..K,t", ("o_1..K,t",), "r2_mean"),
    ("from o_1..K", ("o_1..K",), "r2_mean"),
)
"""What the frame latent is compared with in a card: (words, inputs, column of the probes' rows)."""
_POSITION_BASELINES = (("from other objects", ("o_j,j!=k", "o_j(t),j!=k"), "r2_mean"),)

_PER_DIMENSION = "_kl_per_dimension"
_SCORES = {"ari": "ARI", "miou": "mIoU", "mbo": "mBO"}
_SCORE_COLUMNS = ("video_{}_foreground", "video_{}", "static_{}_foreground", "static_{}")
_WEBP_QUALITY, _WEBP_METHOD = 85, 2


def require_jinja() -> None:
    """Raises UserError where Jinja2 is not installed; says what to install."""
    if importlib.util.find_spec("jinja2") is None:
        raise UserError("The report needs Jinja2, which is not installed: pip install 'simone_tf[evaluate]'.")


def write_report(
    path: str,
    summary: dict[str, Any],
    *,
    curves: Mapping[str, Sequence[tuple[int, float]]],
    figures: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    explorers: Sequence[dict[str, Any]],
    sweeps: Sequence[dict[str, Any]] = (),
    config: str,
    paper_name: str | None = None,
) -> None:
    """Writes the page, at once or not at all.

    Args:
        path: the HTML file.
        summary: as `measures.summarize` gives it, with the rows of the probes as `probes`, None for NaN.
        curves: dict of title -> list of (step, value), drawn as curves of training.
        figures: dict of section title -> list of (caption, `[H, W, 3]` or `[T, H, W, 3]` uint8).
        explorers: list of `explorer`.
        sweeps: list of `view_explorer.view_explorer`.
        config: the run's config.
        paper_name: key of `paper.VIDEO_ARI_FOREGROUND`, the paper's dataset that this one stands for; None for none.

    Raises:
        UserError: the file cannot be written, or Jinja2 is missing.
    """
    require_jinja()
    import jinja2

    with open(_TEMPLATE, encoding="utf-8") as file:
        template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(file.read())
    latents = summary["latents"]
    html = template.render(
        summary=summary,
        headline=_headline(summary, paper_name),
        segmentation=_segmentation_rows(summary["segmentation"]),
        published=_published(paper_name),
        probes=_probe_tables(summary["probes"]),
        curves=[_curve(title, points) for title, points in curves.items() if len(points) > 1],
        figures={
            title: [(caption, data_uri(picture), picture.shape[-2]) for caption, picture in pictures]
            for title, pictures in figures.items()
            if pictures
        },
        divergences={kl_in_words(name): value for name, value in latents.items() if name.endswith("_kl")},
        kl_bars={
            name.removesuffix(_PER_DIMENSION).replace("_", " "): _bars(values)
            for name, values in latents.items()
            if name.endswith(_PER_DIMENSION)
        },
        explorers=explorers,
        sweeps=sweeps,
        views=_view_tables(summary.get("views", {})),
        config=config,
    )
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(html)


def data_uri(picture: np.ndarray) -> str:
    """A `[H, W, 3]` uint8 image or `[T, H, W, 3]` animation as WebP, to be written into a page.

    An image is as it was; an animation, of which there are many, is a little less, at a third of the size of a GIF.
    """
    if picture.ndim == 4 and len(picture) > 1:
        return _webp(picture, quality=_WEBP_QUALITY, method=_WEBP_METHOD, duration=170, loop=0)
    return _webp(picture if picture.ndim == 4 else picture[np.newaxis], lossless=True)


def _webp(frames: np.ndarray, **options: Any) -> str:
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", **options, **({"save_all": True, "append_images": others} if others else {}))
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def explorer(name: str, traversal: Traversal, picture: np.ndarray, tile_size: int = 256) -> dict[str, Any]:
    """A clip whose object a reader of the page can change by sliders: all pictures are made beforehand.

    Args:
        name: shown above the sliders.
        traversal: of one of its objects.
        picture: `[H, W, 3]` uint8, shows which object it is.
        tile_size: about how many screen pixels a frame is wide.

    Returns:
        dict for the template: one picture per attribute, the offsets in columns and the frames in rows.
    """
    _, num_offsets, num_frames, height, width, _ = traversal.frames.shape
    sprites = []
    for pictures in traversal.frames:  # [S, T, H, W, 3]
        sheet = pictures.transpose(1, 2, 0, 3, 4).reshape(num_frames * height, num_offsets * width, 3)
        sprites.append(data_uri(sheet))
    scale = max(1, round(tile_size / width))
    order = np.argsort(-traversal.changes, kind="stable")
    most = max(float(traversal.changes.max()), 1e-9)
    return {
        "name": name,
        "picture": data_uri(picture),
        "sprites": sprites,
        "attributes": [int(attribute) for attribute in traversal.attributes],
        "offsets": [float(offset) for offset in traversal.offsets],
        "zero": int(np.flatnonzero(traversal.offsets == 0)[0]),
        "frames": num_frames,
        "width": width * scale,
        "height": height * scale,
        "changes": [(int(d), f"{traversal.changes[d]:.4f}", float(100 * traversal.changes[d] / most)) for d in order],
    }


def _headline(summary: dict[str, Any], paper_name: str | None) -> list[tuple[str, str, str]]:
    """The cards: (label, value, note)."""
    segmentation, reconstruction = summary["segmentation"], summary["reconstruction"]
    published = paper.VIDEO_ARI_FOREGROUND[paper_name] if paper_name else None
    cards = []
    for name, label in (
        ("video_ari_foreground", "video ARI-F"),
        ("static_ari_foreground", "ARI-F per frame"),
        ("video_miou", "video mIoU"),
    ):
        if segmentation.get(name, {}).get("mean") is not None:
            note = f"paper: {published.mean:.3f} ± {published.std:.3f}" if published and "video_ari" in name else ""
            cards.append((label, f"{segmentation[name]['mean']:.3f}", note))
    cards.append(("PSNR", f"{reconstruction['psnr']['mean']:.1f} dB", ""))
    for task, result in summary.get("views", {}).items():
        note = "; ".join(f"{VIEWS[what]}: {result[what]['psnr']['mean']:.1f}" for what in ("nearest", "mean_image"))
        cards.append((f"PSNR of {VIEW_TASKS[task]}", f"{result['unseen']['psnr']['mean']:.1f} dB", note))
    rows = summary["probes"]
    for label, target, own, others in (
        ("camera's location from f_t, R²", "location", ("f_t",), _CAMERA_BASELINES),
        ("camera's orientation from f_t, R²", "orientation", ("f_t",), _CAMERA_BASELINES),
        ("position from (o_k, t), R²", "position", ("o_k,t", "o_k(t)"), _POSITION_BASELINES),
    ):
        # Of the coordinates those in which it can be known.
        found = {world: best_score(rows, world=world, target=target, inputs=own) for world in (True, False)}
        scores = {world: score for world, score in found.items() if score is not None}
        if scores:
            world = max(scores, key=lambda world: scores[world])
            baselines = [
                (note, best_score(rows, world=world, target=target, inputs=inputs, column=column))
                for note, inputs, column in others
            ]
            note = "; ".join(f"{note}: {_number(score)}" for note, score in baselines if score is not None)
            cards.append((label, f"{scores[world]:.3f}", note))
    return cards


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-0.000", "0.000")


def _segmentation_rows(segmentation: Mapping[str, dict]) -> dict[str, list[dict]]:
    """Score -> its spreads, as in `_SCORE_COLUMNS`."""
    return {
        label: [segmentation[column.format(score)] for column in _SCORE_COLUMNS]
        for score, label in _SCORES.items()
        if f"video_{score}" in segmentation
    }


def _view_tables(views: Mapping[str, dict]) -> list[dict[str, Any]]:
    """A table for each task of unseen views: what -> its spreads, as in `scores`, None where there is none."""
    found = {score for result in views.values() for what in VIEWS for score in result.get(what, {})}
    scores = {score: words for score, words in VIEW_SCORES.items() if score in found}
    return [
        {
            "scores": scores,
            "title": VIEW_TASKS[task].capitalize(),
            "context_frames": result["context_frames"],
            "unseen_frames": result["unseen_frames"],
            "rows": {
                words: [result[what].get(score) for score in scores] for what, words in VIEWS.items() if what in result
            },
            "divergences": {kl_in_words(name): value for name, value in result["latents"].items()},
            "rate_distortion": result.get("rate_distortion"),
        }
        for task, result in views.items()
    ]


def _published(paper_name: str | None) -> dict[str, str]:
    """Model -> video ARI-F as the paper prints it."""
    if paper_name is None:
        return {}
    rows = {"its own model": paper.VIDEO_ARI_FOREGROUND[paper_name]} | paper.OTHER_MODELS[paper_name]
    return {model: f"{row.mean:.3f} ± {row.std:.3f}" for model, row in rows.items()}


def _probe_tables(rows: Sequence[ProbeRow]) -> list[dict[str, Any]]:
    """A section for each kind of probe, with one table for each kind of coordinates."""
    sections = []
    for probe, (title, legend) in _PROBES.items():
        chosen = [row for row in rows if row["probe"] == probe]
        kinds = dict.fromkeys(row.get("coordinates") for row in chosen)
        tables = [
            (kind, [row | {"paper": _beside(row)} for row in chosen if row.get("coordinates") == kind])
            for kind in kinds
        ]
        if probe == "trajectory" and any("(t)" in row["input"] for row in chosen):
            legend += _IN_FRAMES
        if tables:
            sections.append({"title": title, "legend": legend, "probe": probe, "tables": tables})
    return sections


def _beside(row: ProbeRow) -> str:
    """The paper's number; the template shows it for the world's coordinates, which the paper's are."""
    published = paper.paper_row(row)
    return f"{published.mean:.3f} ± {published.std:.3f}" if published else ""


def _curve(
    title: str, points: Sequence[tuple[int, float]], width: float = 300.0, height: float = 110.0
) -> dict[str, str]:
    steps, values = np.array(points, float).T
    low, high = float(values.min()), float(values.max())
    x = (steps - steps[0]) / max(steps[-1] - steps[0], 1) * width
    y = height - (values - low) / (high - low or 1.0) * height
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return {
        "title": title,
        "path": path,
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "last": f"{values[-1]:.4g}",
        "steps": f"{int(steps[-1]):,}",
    }


def _bars(values: Iterable[float]) -> list[dict[str, Any]]:
    """Bars of nats, the largest first and of full height."""
    values = sorted(values, reverse=True)
    most = max([*values, 1e-9])
    return [{"nats": f"{value:.2f}", "percent": 100 * value / most} for value in values]
