"""The folder of a decomposed video, of hand-made parts: every file read back and compared with them."""

import errno
import json
import os
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from simone_tf import locks
from simone_tf.errors import UserError
from simone_tf.long_videos import video_outputs
from simone_tf.long_videos.fitting import display_scale
from simone_tf.long_videos.video_outputs import DESCRIPTION, VideoOutputs, output_folder
from simone_tf.pictures.colours import PALETTE
from simone_tf.pictures.drawing import cut_out
from simone_tf.pictures.pixels import as_uint8

from lock_owner import writer_of

SIDE = 24
SCALE = display_scale((SIDE, SIDE))


class Parts(NamedTuple):
    index: int
    reconstruction: np.ndarray
    object_ids: np.ndarray
    masks: np.ndarray
    rgb: np.ndarray
    recomposition: np.ndarray


LATENTS = {"window_starts": np.arange(3), "object_means": np.ones((3, 2, 4), np.float32)}


def parts_of(index, ids, width=8):
    """The first identity everywhere, each other one in a column of its own; the second is 8 pixels wide."""
    masks = np.zeros((len(ids), SIDE, SIDE), np.float32)
    for number in range(1, len(ids)):
        start = width * (number - 1)
        masks[number, :, start : start + width] = 0.9
    masks[0] = 1.0 - masks[1:].sum(0)
    rng = np.random.default_rng(index)
    rgb = np.broadcast_to(rng.random((len(ids), 1, 1, 3)), (len(ids), SIDE, SIDE, 3)).astype(np.float32)
    image = np.broadcast_to(rng.random(3), (SIDE, SIDE, 3)).astype(np.float32)
    return Parts(index, image, np.array(ids, np.int32), masks, rgb, 1.0 - image)


def write(folder, ids_of_frames, width=8, rate=Fraction(10)):
    frames = [parts_of(index, ids, width) for index, ids in enumerate(ids_of_frames)]
    shown = np.full((SIDE * SCALE, SIDE * SCALE, 3), 90, np.uint8)
    with VideoOutputs(str(folder), rate, (SIDE, SIDE), SCALE) as outputs:
        for parts in frames:
            outputs.add(parts, shown)
        content = outputs.finish(LATENTS, {"video": "clip"})
    return frames, content


def read_gif(path):
    with Image.open(path) as image:
        frames, durations = [], []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
        return frames, durations


def test_masks_name_the_identity_of_each_pixel(tmp_path):
    write(tmp_path, [(5, 2, 40), (5, 2, 40)])
    for index in range(2):
        with Image.open(tmp_path / "masks" / f"frame_{index:06d}.png") as image:
            assert image.mode == "P"
            found = np.asarray(image)
            colours = np.asarray(image.convert("RGB"))
        wanted = np.full((SIDE, SIDE), 5)
        wanted[:, :8], wanted[:, 8:16] = 2, 40
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(colours, PALETTE[wanted % len(PALETTE)])


def test_large_identities_make_grey_masks(tmp_path):
    write(tmp_path, [(0, 3), (0, 300)])
    with Image.open(tmp_path / "masks" / "frame_000001.png") as image:
        assert image.mode == "I;16"
        assert np.unique(np.asarray(image)).tolist() == [0, 300]


def test_more_identities_than_a_mask_holds_are_told(tmp_path):
    with pytest.raises(UserError, match="65535 objects"):
        write(tmp_path, [(0, 70_000)])


def test_movies_hold_every_frame(tmp_path):
    frames, content = write(tmp_path, [(0, 1)] * 5)
    for name in ("overlay.gif", "recomposition.gif"):
        assert read_gif(tmp_path / name)[1] == [100] * 5
    for parts, found in zip(frames, read_gif(tmp_path / "recomposition.gif")[0], strict=True):
        wanted = as_uint8(parts.recomposition).repeat(SCALE, 0).repeat(SCALE, 1)
        np.testing.assert_array_equal(found, wanted)
    overlay = read_gif(tmp_path / "overlay.gif")[0][0]
    assert (overlay[:, -40:] == 90).all()  # the largest is left as it is
    assert not (overlay[40:-40, 20:60] == 90).all(-1).any()
    if content["mp4"]:
        av = pytest.importorskip("av")
        for name in ("overlay.mp4", "recomposition.mp4"):
            with av.open(str(tmp_path / name)) as container:
                assert sum(1 for _ in container.decode(video=0)) == 5


def test_every_scene_has_a_background_of_its_own(tmp_path):
    """The second scene is the shorter one: what is largest in it covers less of the video than what was before."""
    shown = np.full((SIDE * SCALE, SIDE * SCALE, 3), 90, np.uint8)
    with VideoOutputs(str(tmp_path), Fraction(10), (SIDE, SIDE), SCALE) as outputs:
        for index, ids in enumerate([(0, 1)] * 4 + [(5, 6)] * 2):
            if index == 4:
                outputs.start_scene()
            outputs.add(parts_of(index, ids), shown)
        content = outputs.finish(LATENTS, {"cuts": [4]})
    assert content["cuts"] == [4]
    facts = {entry["id"]: entry for entry in content["objects"]}
    assert {number: entry["uncoloured_in_overlay"] for number, entry in facts.items()} == {
        0: True,
        1: False,
        5: True,
        6: False,
    }
    assert [(facts[k]["first_frame"], facts[k]["last_frame"]) for k in (0, 1, 5, 6)] == [(0, 3)] * 2 + [(4, 5)] * 2
    for picture in read_gif(tmp_path / "overlay.gif")[0]:
        assert (picture[:, -40:] == 90).all()
    assert read_gif(tmp_path / "objects" / "object_5.gif")[1] == [100] * 2


def test_an_object_that_leaves_and_comes_back(tmp_path):
    frames, content = write(tmp_path, [(0,), (0, 9), (0,), (0,), (0, 9)])
    facts = {entry["id"]: entry for entry in content["objects"]}
    assert (facts[9]["first_frame"], facts[9]["last_frame"], facts[9]["frames_seen"]) == (1, 4, 2)
    assert facts[9]["mean_share_of_frame"] == pytest.approx(2 / 5 / 3, abs=1e-6)
    assert facts[9]["colour"] == "#" + bytes(PALETTE[9]).hex()
    pictures, durations = read_gif(tmp_path / facts[9]["file"])
    assert durations == [100, 200, 100]
    empty = cut_out(np.zeros((SIDE, SIDE, 3)), np.zeros((SIDE, SIDE)))
    wanted = [cut_out(frames[1].rgb[1], frames[1].masks[1]), empty, cut_out(frames[4].rgb[1], frames[4].masks[1])]
    for found, picture in zip(pictures, wanted, strict=True):
        np.testing.assert_array_equal(found, picture.repeat(SCALE, 0).repeat(SCALE, 1))


def test_a_rim_of_a_few_pixels_is_no_object(tmp_path):
    parts = parts_of(0, (0, 1, 2))
    parts.masks[2] = 0.0
    parts.masks[2, 0, -2:] = 1.0
    parts.masks[0, 0, -2:] = 0.0
    with VideoOutputs(str(tmp_path), Fraction(10), (SIDE, SIDE), SCALE) as outputs:
        outputs.add(parts, np.zeros((SIDE * SCALE, SIDE * SCALE, 3), np.uint8))
        content = outputs.finish(LATENTS, {})
    assert [entry["id"] for entry in content["objects"]] == [0, 1]
    assert sorted(path.name for path in (tmp_path / "objects").iterdir()) == ["object_0.gif", "object_1.gif"]


def test_files_of_objects_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(video_outputs, "MAX_OBJECT_FILES", 2)
    _, content = write(tmp_path, [(0, 1), (0, 2), (0, 3)])
    assert [entry["file"] for entry in content["objects"]] == [
        "objects/object_0.gif",
        "objects/object_1.gif",
        None,
        None,
    ]
    assert len(list((tmp_path / "objects").iterdir())) == 2


def test_latents_and_description(tmp_path):
    _, content = write(tmp_path, [(0, 1)] * 3, rate=Fraction(25))
    with np.load(tmp_path / "latents.npz", allow_pickle=False) as arrays:
        for name, value in LATENTS.items():
            np.testing.assert_array_equal(arrays[name], value)
    assert json.loads((tmp_path / DESCRIPTION).read_text()) == content
    assert (content["video"], content["frames"], content["frames_per_second"]) == ("clip", 3, 25.0)
    with Image.open(tmp_path / "contact_sheet.png") as image:
        assert image.width > 3 * 120


def test_without_pyav_there_are_no_mp4s(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    _, content = write(tmp_path, [(0, 1)])
    assert content["mp4"] is False
    assert not list(tmp_path.glob("*.mp4"))
    assert read_gif(tmp_path / "overlay.gif")


def write_half(folder):
    open(f"{folder}/half", "w").close()
    raise ValueError("an error of the program")


def fill(folder):
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")


def test_the_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "deep" / "out"
    with pytest.raises(ValueError, match="of the program"), output_folder(str(out), False) as folder:
        write_half(folder)
    assert not out.exists()
    with output_folder(str(out), False) as folder:
        open(f"{folder}/{DESCRIPTION}", "w").close()
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == [DESCRIPTION]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_nothing_of_others_is_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="other files"), output_folder(str(out), overwrite):
            pass
    assert (out / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"), output_folder(str(tmp_path / "file"), True):
        pass


def test_an_earlier_decomposition_is_replaced_only_when_asked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / DESCRIPTION).write_text("earlier")
    with pytest.raises(UserError, match="--overwrite"), output_folder(str(out), False):
        pass
    with pytest.raises(RuntimeError), output_folder(str(out), True):
        raise RuntimeError
    assert (out / DESCRIPTION).read_text() == "earlier"
    with output_folder(str(out), True) as folder:
        open(f"{folder}/{DESCRIPTION}", "w").close()
    assert (out / DESCRIPTION).read_text() == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("notes.txt", "notes.txt"),
        ("overlay.png", "overlay.png"),
        ("masks/mine.png", "masks/mine.png"),
        ("masks/frame_1.png.bak", "masks/frame_1.png.bak"),
        ("objects/object_7.gif/mine", "objects/object_7.gif"),
        ("mine/a.txt", "mine"),
    ],
)
def test_files_of_others_beside_an_earlier_decomposition_are_kept(tmp_path, name, told):
    out = tmp_path / "out"
    out.mkdir()
    write(out, [(0, 1)] * 2)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    words = f"holds {told}, which is no part of a decomposition and would be lost"
    with pytest.raises(UserError, match=words), output_folder(str(out), True):
        pass
    assert (out / name).read_text() == "mine"


def test_all_that_is_written_may_be_replaced(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write(out, [(0, 1)] * 2)
    assert (out / "masks" / "frame_000001.png").exists()
    with output_folder(str(out), True) as folder:
        open(f"{folder}/{DESCRIPTION}", "w").close()
    assert [path.name for path in out.iterdir()] == [DESCRIPTION]


def test_the_largest_is_marked_as_uncoloured(tmp_path):
    _, content = write(tmp_path, [(5, 2, 40)] * 2, width=6)
    assert {entry["id"]: entry["uncoloured_in_overlay"] for entry in content["objects"]} == {
        2: False,
        5: True,
        40: False,
    }


def test_a_folder_that_is_filled_meanwhile_is_left_alone(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="other files"), output_folder(str(out), True):
        fill(out)
    assert (out / "thesis.tex").read_text() == "years of work"


def test_a_full_disk_is_told(tmp_path):
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(UserError, match="free some space there"), output_folder(str(tmp_path / "out"), False):
            raise OSError(number, os.strerror(number))
    assert not (tmp_path / "out").exists()


def test_space_is_advised_only_where_it_lacks(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="choose another folder") as caught, output_folder(str(out), False):
            pass
        assert "free some space" not in str(caught.value)
    with pytest.raises(UserError, match="choose another folder"), output_folder(str(tmp_path / "out"), False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_without_a_recomposition_there_are_no_files_of_it(tmp_path):
    parts = parts_of(0, (0, 1))._replace(recomposition=None)
    with VideoOutputs(str(tmp_path), Fraction(10), (SIDE, SIDE), SCALE, recomposes=False) as outputs:
        outputs.add(parts, np.zeros((SIDE * SCALE, SIDE * SCALE, 3), np.uint8))
        outputs.finish(LATENTS, {})
    assert not list(tmp_path.glob("recomposition.*"))
    assert read_gif(tmp_path / "overlay.gif")
    assert (tmp_path / "contact_sheet.png").is_file()


def test_of_two_decompositions_into_a_folder_the_second_is_told_before_its_work(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "OWNER_SECONDS", 0.1)
    out = tmp_path / "out"
    with writer_of(out) as owner:
        for overwrite in (False, True):
            told = rf"--out=.* is being written by process {owner.pid} on host"
            with pytest.raises(UserError, match=told), output_folder(str(out), overwrite):
                raise AssertionError("the work has begun")
    with output_folder(str(out), False) as folder:
        open(f"{folder}/{DESCRIPTION}", "w").close()
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.EMFILE, "ulimit -n"), (errno.ENOSPC, "free some space"), (errno.EROFS, "choose another")],
)
def test_the_advice_fits_the_refusal(tmp_path, code, advice):
    with pytest.raises(UserError, match=advice), output_folder(str(tmp_path / "out"), overwrite=False):
        raise OSError(code, os.strerror(code))
