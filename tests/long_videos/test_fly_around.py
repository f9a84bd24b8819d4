"""Flights around the scene of a video, in a world where every view is known."""

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError
from simone_tf.long_videos.fly_around import check_camera_path, fly_around
from simone_tf.long_videos.window_model import of_run_model
from simone_tf.long_videos.write_decomposition import write_decomposition
from simone_tf.pictures.colours import PALETTE

from colour_mixture import ColourMixture
from square_world import SquareModel
from view_world import SIZE, TurningCamera, cameras, view, world_clips

FRAMES = 3


@pytest.fixture(scope="module")
def window_model():
    return of_run_model(TurningCamera(), FRAMES, SIZE, "the world")


def written(clip, folder):
    np.save(folder / "walk.npy", clip["video"])
    np.save(folder / "camera.npy", clip["camera"])
    return VideoSource(str(folder / "walk.npy"))


def frame_of(picture, number):
    picture.seek(number)
    return np.asarray(picture.convert("RGB"))


def test_the_scene_is_seen_from_all_around_as_it_is(window_model, tmp_path):
    clip = next(world_clips(1, 0, num_frames=7))
    video = written(clip, tmp_path)
    told = fly_around(window_model, video, "crop", {"camera": clip["camera"]}, [], str(tmp_path))["fly_around"]
    assert told == {"views": 60, "seen_frames": [0, 3, 6], "around": False}
    picture = Image.open(tmp_path / "fly_around.gif")
    assert picture.n_frames == 60
    colours = np.array([clip["video"][clip["segments"] == slot][0] for slot in range(3)])
    middle = np.degrees(np.arctan2(clip["camera"][3, 3], clip["camera"][3, 4]))
    scale = picture.size[1] // SIZE[0]
    assert picture.size == (2 * SIZE[1] * scale, SIZE[0] * scale)
    for number in (0, 17, 30, 59):
        truth = view([middle - 180.0 + 6.0 * number], colours)
        shown = frame_of(picture, number)[scale // 2 :: scale, scale // 2 :: scale]
        assert np.abs(shown[:, : SIZE[1]].astype(int) - truth["video"][0]).max() <= 1
        np.testing.assert_array_equal(shown[:, SIZE[1] :], PALETTE[truth["segments"][0]])


def test_of_several_scenes_the_first_is_flown_around(window_model, tmp_path):
    one, other = world_clips(2, 3, num_frames=4)
    both = {name: np.concatenate([one[name], other[name]]) for name in one}
    told = fly_around(window_model, written(both, tmp_path), "crop", {"camera": both["camera"]}, [4], str(tmp_path))
    assert told["fly_around"]["seen_frames"] == [0, 2, 3]
    middle = frame_of(Image.open(tmp_path / "fly_around.gif"), 30)
    seen = {tuple(colour) for colour in middle[:, : middle.shape[1] // 2].reshape(-1, 3)}
    assert seen <= {tuple(colour) for colour in one["video"].reshape(-1, 3)}


def test_a_short_video_is_seen_more_than_once(window_model, tmp_path):
    clip = next(world_clips(1, 4, num_frames=2))
    told = fly_around(window_model, written(clip, tmp_path), "crop", {"camera": clip["camera"]}, [], str(tmp_path))
    assert told["fly_around"]["seen_frames"] == [0, 0, 1]


def test_it_lies_beside_the_decomposition(window_model, tmp_path):
    video = written(next(world_clips(1, 5, num_frames=5)), tmp_path)
    found = write_decomposition(
        window_model,
        video,
        str(tmp_path / "out"),
        camera=str(tmp_path / "camera.npy"),
        camera_path="circle",
        find_cuts=False,
    )
    assert (found["camera_path"], found["fly_around"]["views"]) == ("circle", 60)
    assert (tmp_path / "out" / "fly_around.gif").exists()
    assert (tmp_path / "out" / "fly_around.mp4").exists() == found["mp4"]


def test_what_cannot_be_flown_around_is_told(window_model):
    good = {"camera": cameras([0.0, 10.0])}
    check_camera_path(window_model, "circle", good, "camera.npy")
    check_camera_path(SquareModel(), None, {}, None)
    with pytest.raises(UserError, match="--camera_path=circle: squares is given no camera"):
        check_camera_path(SquareModel(), "circle", {}, None)
    colours = ColourMixture()
    colours.build((None, 2, 8, 8, 3))
    of_frames = of_run_model(colours, 2, (8, 8), "runs/colours")
    with pytest.raises(UserError, match="--camera_path=circle: runs/colours infers something of every frame"):
        check_camera_path(of_frames, "circle", {"camera": np.zeros((2, 5))}, "camera.npy")
    with pytest.raises(UserError, match=r"yaw_pitch, quaternion, matrix\), and those of camera.npy are none"):
        check_camera_path(window_model, "circle", {"camera": np.full((2, 7), 0.3)}, "camera.npy")
