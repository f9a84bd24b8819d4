"""What the tests of the decompose command share: a video, and a decomposition whose folder is complete."""

import json
import pathlib

from simone_tf import decompose

from tiny_run import SIZE, make_clips

WRITTEN = {
    "overlay.gif",
    "recomposition.gif",
    "latents.npz",
    "contact_sheet.png",
    "decomposition.json",
    "masks",
    "objects",
}


def moving_square(count, height=SIZE, width=SIZE):
    """uint8 [T, H, W, 3]"""
    video = next(make_clips(1, 0, frames=count))["video"]
    return video.repeat(-(-height // SIZE), 1).repeat(-(-width // SIZE), 2)[:, :height, :width]


def done(video, model, out, *further):
    decompose.main([str(video), *model, f"--out={out}", *further])
    content = json.loads((pathlib.Path(out) / "decomposition.json").read_text())
    names = {path.name for path in pathlib.Path(out).iterdir()}
    assert names - {"overlay.mp4", "recomposition.mp4"} == WRITTEN
    masks = sorted(path.name for path in (pathlib.Path(out) / "masks").iterdir())
    assert masks == [f"frame_{index:06d}.png" for index in range(content["frames"])]
    return content
