import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from simone_tf.errors import UserError
from simone_tf.long_videos import cuts
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.tracks import SlotNumbers, Unlinked

from square_world import COLOURS, FLOOR, FRAMES, SIZE, SLOTS, SquareModel, draw


def wandering(count, leave=True):
    """Columns of three squares, of which the second is out of view now and then."""
    frames = np.arange(count)
    columns = np.stack([0 + frames // 3 % 2, 5 + frames // 5 % 2, 11 + frames // 4 % 2], axis=1)
    if leave:
        columns[frames % 11 >= 8, 1] = -1
    return columns


def identities_of(parts):
    return np.stack([part.object_ids[part.masks.argmax(0)] for part in parts])


@pytest.mark.parametrize("overlap", [None, 1, 3])
@pytest.mark.parametrize("count", [4, 5, 37])
def test_a_video_is_taken_apart_frame_by_frame(count, overlap):
    video, segments = draw(wandering(count), flash=np.linspace(0, 0.3, count))
    parts = list(VideoDecomposition(SquareModel(), video, overlap))
    assert [part.index for part in parts] == list(range(count))
    for part, frame in zip(parts, video, strict=True):
        np.testing.assert_array_equal(part.frame, frame)
        np.testing.assert_allclose(part.reconstruction, frame, atol=5e-3)
        np.testing.assert_allclose(part.masks.sum(0), 1, atol=1e-6)
        np.testing.assert_allclose((part.masks[..., None] * part.rgb).sum(0), part.reconstruction, atol=1e-5)
        assert part.masks.shape == (len(part.object_ids), *SIZE)
        assert part.object_ids.dtype == np.int32
        assert (np.diff(part.object_ids) > 0).all()
    assert adjusted_rand_score(segments.ravel(), identities_of(parts).ravel()) == 1


def test_without_matching_the_objects_fall_to_pieces():
    video, segments = draw(wandering(41))
    inside = segments.ravel() > 0

    def score(**options):
        parts = list(VideoDecomposition(SquareModel(), video, **options))
        return adjusted_rand_score(segments.ravel()[inside], identities_of(parts).ravel()[inside])

    assert score() == 1
    assert score(tracker=SlotNumbers()) < 0.5
    assert score(tracker=Unlinked()) < 0.3


def test_windows_at_a_time_change_nothing():
    video, _ = draw(wandering(30))
    one, many = (VideoDecomposition(SquareModel(), video, windows_at_a_time=number) for number in (1, 5))
    for part, other in zip(one, many, strict=True):
        for value, other_value in zip(part, other, strict=True):
            np.testing.assert_allclose(value, other_value, atol=1e-6)
    other_latents = many.latents()
    assert set(one.latents()) == set(other_latents)
    for name, value in one.latents().items():
        np.testing.assert_allclose(value, other_latents[name], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_video_shorter_than_a_window(count):
    video, segments = draw(wandering(count))
    decomposition = VideoDecomposition(SquareModel(), (frame for frame in video))
    parts = list(decomposition)
    assert [part.index for part in parts] == list(range(count))
    assert adjusted_rand_score(segments.ravel(), identities_of(parts).ravel()) == 1
    assert decomposition.latents()["frame_means"].shape == (count, 1)
    assert decomposition.latents()["window_starts"].tolist() == [0]


def test_a_window_that_fails_is_overruled_where_others_see_the_frame():
    video, segments = draw(wandering(21, leave=False))
    parts = list(VideoDecomposition(SquareModel(fails=(3,)), video, overlap=3))
    assert adjusted_rand_score(segments.ravel(), identities_of(parts).ravel()) > 0.99


def test_latents_of_windows_objects_and_frames():
    flash = np.linspace(0, 0.2, 13)
    video, _ = draw(wandering(13), flash)
    decomposition = VideoDecomposition(SquareModel(), video)
    with pytest.raises(ValueError, match="iterate first"):
        decomposition.latents()
    list(decomposition)
    latents = decomposition.latents()
    assert latents["window_starts"].tolist() == [0, 2, 4, 6, 8, 9]
    assert latents["window_object_ids"].shape == (6, SLOTS)
    np.testing.assert_allclose(latents["frame_means"][:, 0], flash, atol=1e-5)
    np.testing.assert_allclose(latents["frame_log_scales"], -2.0, atol=1e-5)
    np.testing.assert_array_equal(latents["merged_object_ids"], np.unique(latents["window_object_ids"]))
    # Colours are what all windows agree about, places are not.
    looks = latents["merged_object_means"][:, :3]
    for colour in (np.full(3, FLOOR), *COLOURS[:3]):
        assert np.abs(looks - colour).max(axis=1).min() < 1e-3
    np.testing.assert_allclose(latents["merged_object_log_scales"][:, :3].min(0), -1.0, atol=1e-3)
    assert latents["merged_object_log_scales"][:, 3:].max() > -0.9
    for identity, mean in zip(latents["merged_object_ids"], latents["merged_object_means"], strict=True):
        of_windows = latents["object_means"][latents["window_object_ids"] == identity]
        assert (mean >= of_windows.min(0) - 1e-5).all()
        assert (mean <= of_windows.max(0) + 1e-5).all()


def test_recomposition_holds_the_view_of_each_window_still_or_takes_the_camera_given():
    flash = np.linspace(0, 0.2, 4)
    video, _ = draw(wandering(4), flash)
    still = list(VideoDecomposition(SquareModel(), video))
    np.testing.assert_allclose([part.recomposition[0, 0, 0] - FLOOR for part in still], flash[0], atol=1e-3)
    camera = np.array([[0.3], [0.1], [0.4], [0.2]])
    seen = list(VideoDecomposition(SquareModel(), video, viewpoint={"frame": camera}))
    np.testing.assert_allclose([part.recomposition[0, 0, 0] - FLOOR for part in seen], camera[:, 0], atol=1e-3)
    assert next(iter(VideoDecomposition(SquareModel(), video, recompose=False))).recomposition is None


@pytest.mark.parametrize("shape", [(3, 1), (4,), (4, 2)])
def test_a_camera_of_another_model_is_refused(shape):
    with pytest.raises(UserError, match="same model"):
        list(VideoDecomposition(SquareModel(), draw(wandering(4))[0], viewpoint={"frame": np.zeros(shape)}))


def test_overlap_out_of_range_is_refused_at_once():
    with pytest.raises(UserError, match="overlap of 4"):
        VideoDecomposition(SquareModel(), [], overlap=4)


def test_it_is_iterable_once():
    decomposition = VideoDecomposition(SquareModel(), draw(wandering(4))[0])
    list(decomposition)
    with pytest.raises(ValueError, match="once"):
        iter(decomposition)


def test_frames_come_while_the_video_is_read():
    read = []

    def frames():
        for frame in draw(wandering(40))[0]:
            read.append(frame)
            yield frame

    decomposition = iter(VideoDecomposition(SquareModel(), frames(), windows_at_a_time=1))
    for index in range(30):
        assert next(decomposition).index == index
        assert len(read) <= index + 2 * FRAMES


def test_memory_does_not_grow_with_the_video():
    def peak(count):
        frames = (frame for _ in range(count // 40) for frame in draw(wandering(40))[0])
        decomposition = VideoDecomposition(SquareModel(), frames)
        tracemalloc.start()
        for _ in decomposition:
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        latents = decomposition.latents()
        return size - sum(value.nbytes for value in latents.values()), len(latents["window_starts"])

    peak(80)
    (short, few), (long, many) = peak(80), peak(400)
    # Of a window, masks alone would be 8192 bytes; the lists of its latents are objects of some size too.
    assert long - short < 1500 * (many - few)


def test_a_model_that_has_diverged_is_told(monkeypatch):
    model = SquareModel()
    render = model.render

    def lost(latents, given):
        rendering = render(latents, given)
        return rendering._replace(slot_masks=np.full_like(rendering.slot_masks, np.nan))

    monkeypatch.setattr(model, "render", lost)
    with pytest.raises(UserError, match="squares gives numbers that are not finite"):
        list(VideoDecomposition(model, draw(wandering(9))[0]))


def _by_floor(model, before, after):
    """Hand-made evidence: scenes have floors of their own brightness."""
    del model
    return abs(before.frames[-1][0, 0, 0] - after.frames[0][0, 0, 0]) > 0.2


@pytest.mark.parametrize("lengths", [(9, 8), (4, 4), (6, 2, 3, 5), (2, 2, 2)])
def test_scenes_are_taken_apart_each_by_itself(monkeypatch, lengths):
    """`SquareModel` knows a window's floor by one brightness, and fails where there are two."""
    monkeypatch.setattr(cuts, "scene_changes", _by_floor)
    videos = []
    for number, count in enumerate(lengths):
        columns, light = wandering(count, leave=False), np.full(count, 0.4 * (number % 2))
        # In every other scene red and blue have changed places: in another light alone it would be the same picture.
        videos.append(draw(columns[:, :: (-1) ** number], light)[0])
    decomposition = VideoDecomposition(SquareModel(shuffle=False), np.concatenate(videos))
    parts = list(decomposition)
    starts = np.cumsum([0, *lengths])
    assert decomposition.cuts == starts[1:-1].tolist()
    assert [part.index for part in parts] == list(range(sum(lengths)))
    latents, seen = decomposition.latents(), set()
    assert latents["frame_means"].shape == (sum(lengths), 1)
    row = 0
    for number, (video, begin) in enumerate(zip(videos, starts, strict=False)):
        alone = VideoDecomposition(SquareModel(shuffle=False), video)
        for part, wanted in zip(parts[begin : begin + len(video)], alone, strict=True):
            np.testing.assert_array_equal(part.object_ids, wanted.object_ids + SLOTS * number)
            for field in ("frame", "reconstruction", "masks", "rgb", "recomposition"):
                np.testing.assert_allclose(getattr(part, field), getattr(wanted, field), atol=1e-5, err_msg=field)
        of_scene = alone.latents()
        windows = slice(row, row + len(of_scene["window_starts"]))
        row = windows.stop
        np.testing.assert_array_equal(latents["window_starts"][windows], of_scene["window_starts"] + begin)
        np.testing.assert_array_equal(latents["window_num_frames"][windows], min(len(video), FRAMES))
        np.testing.assert_allclose(latents["object_means"][windows], of_scene["object_means"], atol=1e-5)
        ours = latents["merged_object_means"][SLOTS * number : SLOTS * (number + 1)]
        np.testing.assert_allclose(ours, of_scene["merged_object_means"], atol=1e-5)
        numbers = {*latents["window_object_ids"][windows].ravel().tolist()}
        assert not seen & numbers
        seen |= numbers
    assert row == len(latents["window_starts"])
