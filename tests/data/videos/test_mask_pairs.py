"""Which mask is of which frame: by number, by name, by order."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.mask_pairs import pair_pictures, pair_video
from simone_tf.data.videos.video_clips import ImportPlan, Source, video_clips
from simone_tf.errors import UserError


def names(pattern, numbers):
    return [f"folder/{pattern % number}" for number in numbers]


def by_number(frames, masks):
    """The number of each frame's mask, by a way that needs no file names."""
    return [masks.index(number) if number in masks else None for number in frames]


@pytest.mark.parametrize(
    ("frames", "masks"),
    [
        (range(24), range(1, 25)),
        (range(1, 25), range(24)),
        (range(25), range(0, 25, 5)),
        (range(10), range(3, 6)),
        (range(0, 50, 10), range(50)),
        (range(5), [0, 1, 2, 4]),
        (range(95, 105), range(90, 103)),
    ],
)
@pytest.mark.parametrize(
    ("of_frames", "of_masks"),
    [("%d.png", "%d.png"), ("frame_%04d.jpg", "mask_%04d.png"), ("scene3_cam1_%03d.png", "%d.png")],
)
def test_pictures_go_by_number(frames, masks, of_frames, of_masks):
    pairs = pair_pictures(names(of_frames, frames), names(of_masks, masks))
    assert pairs.of_frame == by_number(list(frames), list(masks))
    left_over = sorted(set(masks) - set(frames))
    assert list(pairs.left_over) == names(of_masks, left_over)


def test_pictures_go_by_several_numbers_and_by_name():
    times = [(10, 5), (10, 9), (11, 2)]
    pairs = pair_pictures(names("rgb%d.%d.png", times), names("%d.%d.png", times[1:]))
    assert pairs.of_frame == [None, 0, 1]
    pairs = pair_pictures(["f/a.jpg", "f/b.jpg", "f/c\u0327.jpg"], ["m/b.png", "m/\u00e7.png", "m/d.png"])
    assert (pairs.of_frame, pairs.left_over) == ([None, 0, 1], ("m/d.png",))


@pytest.mark.parametrize(
    ("frames", "masks"),
    [
        (names("%d.png", range(5)), names("m%04d.png", range(5))),
        (names("%d.png", range(100, 105)), names("%d.png", range(5))),
        (["f/a.png", "f/b.png"], ["m/x.png", "m/y.png"]),
        (["f/a.png", "f/b.png"], names("%d.png", range(2))),
        (["f/7.png"], ["m/8.png"]),
        (["f/1.png", "f/1 (1).png"], ["m/1.png", "m/1 (1).png"]),
    ],
)
def test_pictures_without_a_number_in_common_go_in_order(frames, masks):
    pairs = pair_pictures(frames, masks)
    assert (pairs.of_frame, pairs.left_over) == (None, ())
    assert [pairs.place(index) for index in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("first", [0, 1, 7])
def test_masks_of_a_file_without_gaps_go_in_order(first):
    masks = names("%d.png", range(first, first + 9))
    assert pair_video("a.mp4", masks, lambda: pytest.fail("it was counted")).of_frame is None
    assert pair_video("a.mp4", ["m/a.png", "m/c.png"], lambda: pytest.fail("it was counted")).of_frame is None


def test_masks_of_a_file_with_gaps_go_by_number():
    assert pair_video("a.mp4", names("%d.png", [0, 5, 10]), lambda: 12).of_frame == by_number(range(12), [0, 5, 10])
    assert pair_video("a.mp4", names("%d.png", [1, 6, 11]), lambda: 11).of_frame == by_number(range(11), [0, 5, 10])
    assert pair_video("a.mp4", names("%d.png", [0, 5, 10]), lambda: 3).of_frame is None
    assert pair_video("a.mp4", names("%d.png", [0, 5, 10]), lambda: 6).left_over == ("folder/10.png",)
    with pytest.raises(UserError, match="numbered from 5 on, which does not tell"):
        pair_video("a.mp4", names("%d.png", [5, 10]), lambda: 12)


def folders(tmp_path, frames, masks):
    for folder, numbers in (("walk", frames), ("masks", masks)):
        (tmp_path / folder).mkdir()
        for number in numbers:
            Image.new("L", (4, 4), number + 1).save(tmp_path / folder / f"{number}.png")
    return Source("walk", str(tmp_path / "walk"), masks=str(tmp_path / "masks"))


def clips(source, **plan):
    return [clip for clip in video_clips(source, ImportPlan(**plan)) if not isinstance(clip, int)]


def test_every_clip_has_the_masks_of_its_frames(tmp_path, capsys):
    source = folders(tmp_path, range(12), range(1, 13))
    for clip in clips(source, frames=3, start=1):
        np.testing.assert_array_equal(clip["segments"], clip["video"][..., 0])
    text = capsys.readouterr().err
    assert "1 mask (the first 12.png) belongs to no frame" in text
    with pytest.raises(
        UserError,
        match=r"12 masks, .*walk has 12 frames, and by number no mask is of 0\.png, while 12\.png is of no frame",
    ):
        clips(source, frames=3)


def test_every_fifth_mask_is_enough_for_every_fifth_frame(tmp_path, capsys):
    source = folders(tmp_path, range(31), range(0, 31, 5))
    found = clips(source, frames=3, stride=5)
    assert [clip["segments"][:, 0, 0].tolist() for clip in found] == [[1, 6, 11], [16, 21, 26]]
    assert [clip["video"][:, 0, 0, 0].tolist() for clip in found] == [[1, 6, 11], [16, 21, 26]]
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match=r"no mask is of 1\.png"):
        clips(source, frames=3)


def test_every_fifth_mask_of_a_file(tmp_path):
    source = folders(tmp_path, range(11), range(0, 11, 5))
    images = [Image.open(pathlib.Path(source.path) / f"{index}.png") for index in range(11)]
    images[0].save(tmp_path / "walk.gif", save_all=True, append_images=images[1:])
    source = Source("walk", str(tmp_path / "walk.gif"), masks=source.masks)
    (clip,) = clips(source, frames=3, stride=5)
    np.testing.assert_array_equal(clip["segments"], clip["video"][..., 0])
    with pytest.raises(UserError, match="no mask is of frame 1"):
        clips(source, frames=3)


@pytest.mark.parametrize(("ours", "theirs", "words"), [(3, 1, "(3)"), (1, 2, "(1)"), (6, None, "(6)"), (3, 3, None)])
def test_frames_and_masks_that_are_turned_differently_are_told(tmp_path, capsys, ours, theirs, words):
    for folder, orientation in (("walk", ours), ("masks", theirs)):
        (tmp_path / folder).mkdir()
        for index in range(2):
            exif = Image.Exif()
            if orientation:
                exif[0x0112] = orientation
            Image.new("L", (4, 4), 1).save(tmp_path / folder / f"{index}.png", exif=exif)
    source = Source("walk", str(tmp_path / "walk"), masks=str(tmp_path / "masks"))
    assert len(clips(source, frames=1)) == 2
    text = capsys.readouterr().err
    assert text.count("turned") == (0 if words is None else 1)
    if words:
        assert f"{tmp_path / 'walk' / '0.png'} is turned as its EXIF orientation {words} says" in text
        assert str(tmp_path / "masks" / "0.png") in text
