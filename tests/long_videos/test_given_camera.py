"""Long videos of models that are given a camera, and of those that know no viewpoint at all."""

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.viewpoints import given_of_video, viewpoint_of
from simone_tf.long_videos.window_model import of_run_model
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.scene_model import Latent
from simone_tf.models.simone.view_supervised import SIMONeVS

from small_models import make_view_encoder
from square_world import SIZE, SquareModel, draw


@pytest.fixture(scope="module")
def colours(colour_model):
    return of_run_model(colour_model, 3, SIZE, "colours")


@pytest.fixture
def clip():
    rng = np.random.default_rng(3)
    return rng.random((8, *SIZE, 3), np.float32), rng.normal(size=(8, 5)).astype(np.float32)


def test_every_window_sees_the_camera_of_its_own_frames(colours, colour_model, clip):
    video, camera = clip
    decomposition = VideoDecomposition(colours, video, 1, given={"camera": camera})
    parts = list(decomposition)
    latents = decomposition.latents()
    assert latents["window_starts"].tolist() == [0, 2, 4, 5]
    assert latents["object_means"].shape == (4, 3, 3, 5)
    for row, start in enumerate(latents["window_starts"]):
        window = slice(start, start + 3)
        posterior = colour_model.encode({"video": video[None, window], "camera": camera[None, window]})["object"]
        np.testing.assert_allclose(latents["object_means"][row], posterior.mean[0], atol=1e-5)
    # The first frame lies in the first window alone.
    drawn = colour_model.decompose({"video": video[None, :3], "camera": camera[None, :3]})
    np.testing.assert_allclose(parts[0].reconstruction, drawn.reconstruction[0, 0], atol=1e-5)


def test_the_recomposition_holds_the_camera_still_or_takes_another(colours, colour_model, clip):
    video, camera = clip
    batch = {"video": video[None, :3], "camera": camera[None, :3]}
    still, moved = camera[None, [0, 0, 0]], camera[None, 5:8]
    for viewpoint, seen in ((None, still), ({"camera": moved[0]}, moved)):
        (first, *_) = VideoDecomposition(colours, video[:3], given={"camera": camera[:3]}, viewpoint=viewpoint)
        wanted = colour_model.recompose(batch, {"camera": seen}).reconstruction
        np.testing.assert_allclose(first.recomposition, wanted[0, 0], atol=1e-5)


@pytest.mark.parametrize("given", [None, {}, {"camera": np.zeros((8, 4))}, {"camera": np.zeros(8)}])
def test_a_camera_that_is_missing_or_of_another_size_is_refused(colours, clip, given):
    with pytest.raises(UserError, match=r"colours is given `camera`, 5 numbers for every frame"):
        VideoDecomposition(colours, clip[0], given=given)
    with pytest.raises(UserError, match=r"viewpoint's `camera` is .*, colours takes \[3, 5\]"):
        VideoDecomposition(colours, clip[0], given={"camera": clip[1]}, viewpoint=given or {"camera": clip[1]})


class BlindModel(SquareModel):
    """A square model whose latents say nothing of a viewpoint."""

    def __init__(self):
        super().__init__()
        self.latents = {"object": self.latents["object"], "scene": Latent((), 2)}
        self.viewpoint_latents, self.recomposes = (), False

    def encode(self, batch):
        posteriors = super().encode(batch)
        return {"object": posteriors["object"], "scene": posteriors["frame"]._replace(mean=np.zeros((1, 2)))}

    def render(self, latents, given):
        return super().render({"object": latents["object"], "frame": np.zeros((1, 4, 1), np.float32)}, given)


def test_without_a_viewpoint_there_is_no_recomposition():
    video, _ = draw([[0, 8]] * 6)
    decomposition = VideoDecomposition(BlindModel(), video, windows_at_a_time=1)
    assert all(part.recomposition is None for part in decomposition)
    assert [name for name in decomposition.latents() if "frame" in name or "scene" in name] == [
        "scene_means",
        "scene_log_scales",
    ]
    with pytest.raises(UserError, match=r"--camera_from=x\.gif: squares does not tell the viewpoint from the scene"):
        viewpoint_of(BlindModel(), "x.gif", "crop")


def test_fields_of_which_there_are_no_files_are_told():
    model = SquareModel()
    model.given = {"action": 2}
    with pytest.raises(UserError, match="squares is given `action` for every frame"):
        given_of_video(model, None)
    with pytest.raises(UserError, match=r"sees by what it infers and by what it is given"):
        viewpoint_of(model, "x.gif", "crop")


class ChoosyModel(SquareModel):
    """A model that is given a camera whose first number must not be negative."""

    def __init__(self):
        super().__init__()
        self.given = {"camera": 2}

    def check_given(self, given):
        if np.any(given["camera"][..., 0] < 0):
            raise UserError("a camera looks backwards: turn it.")


def test_a_camera_that_the_model_refuses_is_told_with_its_file(tmp_path):
    for name, number in (("good.npy", 1.0), ("bad.npy", -1.0)):
        np.save(tmp_path / name, np.full((5, 2), number, np.float32))
    assert given_of_video(ChoosyModel(), str(tmp_path / "good.npy"))["camera"].shape == (5, 2)
    with pytest.raises(UserError, match=r"bad\.npy: a camera looks backwards: turn it"):
        given_of_video(ChoosyModel(), str(tmp_path / "bad.npy"))


def test_a_run_is_asked_by_its_model_what_it_may_be_given():
    camera = CameraVector("matrix")
    model = SIMONeVS(make_view_encoder(), PixelDecoder(8, 2), queries=RandomQueries(40), camera=camera)
    model.build((None, 2, 8, 16, 3))
    window_model = of_run_model(model, 2, (8, 16), "rooms")
    window_model.check_given({"camera": np.eye(4).reshape(1, 16)})
    with pytest.raises(UserError, match="left-handed"):
        window_model.check_given({"camera": np.diag([1.0, -1.0, 1.0, 1.0]).reshape(1, 16)})
