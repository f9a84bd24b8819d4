"""Folders with several numbered series are asked about, ordinary ones are not."""

import itertools

import pytest
from PIL import Image

from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.picture_folders import list_pictures, natural_key
from simone_tf.data.videos.picture_series import check_one_series, numbers_of, of_pattern
from simone_tf.data.videos.video_files import find_videos, read_frames, video_name
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError


def numbered(*patterns, count=6, start=0):
    return [pattern % index for pattern in patterns for index in range(start, start + count)]


def ordered(names):
    return sorted(names, key=natural_key)


SEVERAL = {
    "stereo": (numbered("left_%04d.png", "right_%04d.png"), ["left_*", "right_*"]),
    "frame and mask": (numbered("frame_%03d.png", "mask_%03d.png"), ["frame_*", "mask_*"]),
    "endings": (numbered("%d.png", "%d_mask.png"), ["*_mask.png"]),
    "middle": (numbered("a%dx.png", "a%dy.png"), ["a*x.png", "a*y.png"]),
    "two formats": (numbered("%05d.jpg", "%05d.png"), ["*.jpg", "*.png"]),
    "two formats, one padded": (numbered("%d.jpg", "%05d.png"), ["*.jpg", "*.png"]),
    "one in two formats": ([*numbered("%05d.jpg"), "00002.png"], ["*.jpg"]),
    "two names of a format": (numbered("%d.jpg", "%d.jpeg", "%d.JPG"), ["*.jpeg"]),
    "no numbers in two formats": (["a.jpg", "a.png", "b.png"], []),
    "cover": ([*numbered("frame_%d.png"), "cover.jpg"], ["frame_*"]),
    "cover among few": (["1.png", "2.png", "cover.png"], ["[0-9]*.png"]),
    "contact sheet": ([*numbered("%d.png"), "contact_sheet_2.png"], ["[0-9]*.png"]),
    "cameras": (numbered("cam1_%04d.png", "cam2_%04d.png"), ["cam1_*", "cam2_*"]),
    "cameras behind": (numbered("%04d_cam1.png", "%04d_cam2.png"), ["*_cam1.png", "*_cam2.png"]),
    "scenes of one camera": (numbered("scene3_cam1_%04d.png", "scene4_cam1_%04d.png"), ["scene3_cam1_*"]),
    "padded and not": (numbered("%d.png", "%04d.png", start=1), []),
    "depth beside": (numbered("%d.jpg", "%d_depth.tiff", "%d_normal.png"), ["*.jpg", "*_depth.tiff"]),
}

ORDINARY = {
    "letters": ["a.png", "b.png", "c.png"],
    "words": ["begin.png", "middle.jpg", "end.png"],
    "not padded": numbered("frame%d.png", count=120),
    "padded": numbered("%05d.jpg"),
    "copies": [*numbered("IMG_%04d.png"), "IMG_0001 (1).png", "IMG_0003 copy.png"],
    "windows": numbered("walk (%d).png", start=1),
    "constant numbers": numbered("scene3_cam1_%04d.png"),
    "TUM": [f"13050311{second:02d}.{part}.png" for second in range(3) for part in ("175304", "211214", "5")],
    "seconds and tenths": [f"{second}.{tenth}.png" for second in range(3) for tenth in range(10)],
    "t and tenths": [f"t{second}.{tenth}.png" for second in range(3) for tenth in range(10)],
    "dates": [f"2024-01-{day:02d}T{hour:02d}-30-05.png" for day in (1, 2) for hour in (11, 12)],
    "dates and times": [f"IMG_202401{day:02d}_1200{second:02d}.jpg" for day in (1, 2) for second in (1, 2)],
    "messenger": [f"IMG-202401{day:02d}-WA{index:04d}.jpg" for day in (1, 2) for index in (1, 2)],
    "hours": [
        f"{hour:02d}h{minute:02d}m{second:02d}s.png" for hour in (1, 2) for minute in (1, 2) for second in (1, 2)
    ],
    "two cuts, counted on": [*numbered("shot1_%02d.png"), *numbered("shot2_%02d.png", start=6)],
    "capitals": ["IMG_1.JPG", "IMG_2.jpg", "img_3.jpeg"],
    "formats that go on": ["1.png", "2.jpg", "3.png"],
    "single names with numbers": ["cat1.png", "dog2.png", "house7.png"],
    "sums": ["3fa9c1.png", "a12bc4.png", "77e0aa.png", "b1c2d3.png", "99ffe1.png", "a34bd5.png"],
    "one": ["frame_0001.png"],
}


@pytest.mark.parametrize("case", SEVERAL)
def test_several_series_are_asked_about(case):
    names, patterns = SEVERAL[case]
    names = ordered(names)
    with pytest.raises(UserError) as error:
        check_one_series("walk", names)
    text = str(error.value)
    assert text.startswith("walk holds pictures of several series (")
    assert "\n" not in text
    assert "move the others into folders" in text
    assert text.endswith("or name 'walk/*' if all are meant.")
    assert ("name one of them in quotes, such as 'walk/" in text) == bool(patterns)
    # What it advises is taken.
    for pattern in patterns:
        chosen = of_pattern(names, pattern)
        assert 1 < len(chosen) < len(names)
        check_one_series("walk", chosen)
    if patterns:
        assert any(f"'walk/{pattern}'" in text for pattern in patterns)


@pytest.mark.parametrize("case", ORDINARY)
def test_ordinary_folders_are_not(case):
    for names in (ordered(ORDINARY[case]), sorted(ORDINARY[case])):
        check_one_series("walk", names)


def test_the_sentence_names_the_series():
    with pytest.raises(UserError, match=r"\(left_0000.png to left_0005.png, right_0000.png to right_0005.png\)"):
        check_one_series("walk", ordered(SEVERAL["stereo"][0]))


def test_many_pictures_are_looked_through_quickly():
    names = ordered(numbered("a_%06d.png", "b_%06d.jpg", count=10_000))
    with pytest.raises(UserError, match="several series"):
        check_one_series("walk", names)


def save(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        Image.new("L", (3, 2), index + 1).save(folder / name)
    return folder


def test_a_pattern_chooses_one(tmp_path):
    walk = save(tmp_path / "walk", [*numbered("left_%d.png", count=12), *numbered("right_%d.png", count=12)])
    for path in (walk, f"{walk}/"):
        with pytest.raises(UserError, match=r"walk.* holds pictures of several series"):
            next(read_frames(path))
    with pytest.raises(UserError, match="several series"):
        MaskFolder(str(walk))
    assert [frame[0, 0, 0] for frame in read_frames(walk / "right_*")] == list(range(13, 25))
    assert [frame[0, 0, 0] for frame in read_frames(walk / "LEFT_?.png")] == list(range(1, 11))
    source = VideoSource(walk / "left_*.png")
    assert (source.name, source.num_frames) == ("walk_left", 12)
    assert find_videos([walk / "left_*", walk / "right_*"]) == [str(walk / "left_*"), str(walk / "right_*")]
    assert video_name(str(walk / "[0-9]*.png")) == "walk"
    assert [mask.max() for mask in MaskFolder(str(walk / "right_1*")).read()] == [14, 23, 24]
    assert [frame[0, 0, 0] for frame in read_frames(walk / "*")] == list(range(1, 25))
    assert (video_name(str(walk / "*")), len(list_pictures(str(walk / "*")))) == ("walk", 24)
    with pytest.raises(UserError, match=r"no picture .* named middle_"):
        next(read_frames(walk / "middle_*"))
    with pytest.raises(UserError, match="does not exist"):
        next(read_frames(tmp_path / "nowhere" / "left_*"))


def test_a_name_that_exists_is_no_pattern(tmp_path):
    folder = save(tmp_path / "walk[1]*", numbered("b[0]_%d.png", count=3))
    assert [frame[0, 0, 0] for frame in read_frames(folder)] == [1, 2, 3]
    assert video_name(str(folder)) == "walk[1]*"
    save(folder, numbered("c_%d.png", count=2))
    with pytest.raises(UserError, match=r"such as '.*/b\[\[\]0\]_\*'"):
        list_pictures(str(folder))
    assert len(list_pictures(f"{folder}/b[[]0]_*")) == 3


def test_kubric_gives_its_frames_and_its_masks(tmp_path):
    layers = ("rgba", "segmentation", "forward_flow", "backward_flow", "normal", "object_coordinates")
    names = [f"{layer}_{index:05d}.png" for layer, index in itertools.product(layers, range(2))]
    for count in (2, 1):
        folder = save(tmp_path / f"scene{count}", names[: 2 * len(layers)] if count == 2 else names[::2])
        save(folder, numbered("depth_%05d.tiff", count=count))
        (folder / "metadata.json").write_text("{}")
        assert [path.rsplit("/")[-1] for path in list_pictures(str(folder))] == names[:count]
        assert len(list(read_frames(folder))) == VideoSource(folder).num_frames == count
        assert [mask.max() for mask in MaskFolder(str(folder)).read()] == ([3, 4] if count == 2 else [2])
    for index in range(2):
        (tmp_path / "scene2" / f"segmentation_{index:05d}.png").unlink()
    with pytest.raises(UserError, match="Kubric without segmentation_"):
        MaskFolder(str(tmp_path / "scene2"))


def test_numbers_of_names():
    assert numbers_of(["scene3_cam1_0007.png", "scene3_cam1_0010.png"]) == [(7,), (10,)]
    assert numbers_of(["12.5.png", "12.75.png", "13.5.png"]) == [(12, 5), (12, 75), (13, 5)]
    assert numbers_of(["0007.png"]) == [(7,)]
    for names in (["a.png", "b.png"], ["a1.png", "b2.png"], ["1.png", "01.png"], ["a1b2.png", "a1b2.jpg"]):
        assert numbers_of(names) is None
