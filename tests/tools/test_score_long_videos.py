import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.errors import UserError

from loaded_tool import load_tool
from square_world import SquareModel, draw
from tiny_run import clips, make_clips, run  # noqa: F401

score_long_videos = load_tool("score_long_videos")


def columns(count):
    frames = np.arange(count)
    places = np.stack([frames // 3 % 2, 5 + frames // 5 % 2, 11 + frames // 4 % 2], axis=1)
    places[frames % 11 >= 8, 1] = -1
    return places


def test_scores_of_a_model_that_finds_everything_in_shuffled_slots():
    video, segments = draw(columns(41))
    scores = score_long_videos.score_clip(SquareModel(), video, segments)
    assert scores["matched"] == 1
    assert scores["windows"] == 1
    assert scores["num_objects"] == 4
    assert max(scores["unlinked"], scores["slot_numbers"]) < 0.2
    assert adjusted_rand_score(segments.ravel(), scores["segments"].ravel()) == 1


def test_scores_of_a_clip_whose_model_mixes_up_a_window_are_those_of_scikit_learn():
    video, segments = draw(columns(8))
    scores = score_long_videos.score_clip(SquareModel(fails=(0, 1)), video, segments, overlap=2)
    foreground = segments > 0
    predicted = scores["segments"]
    assert scores["matched"] == pytest.approx(adjusted_rand_score(segments[foreground], predicted[foreground]))
    # Of three windows one is right, two are of one slot throughout, which scores 0.
    assert scores["windows"] == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    write_shard(folder / shard_name("test", 0, 1), make_clips(2, 5, frames=9))
    return folder


def test_the_command_scores_and_draws(run, long_clips, tmp_path, capsys):  # noqa: F811
    score_long_videos.main([f"--run_dir={run}", f"--data_dir={long_clips}", f"--out={tmp_path / 'pictures'}", "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(told["clips"]) == 2
    mean = told["mean"]
    assert mean["matched"] == pytest.approx(np.mean([clip["matched"] for clip in told["clips"]]))
    assert mean["windows"] == pytest.approx(np.mean([clip["windows"] for clip in told["clips"]]))
    for name, value in told["spread"].items():
        assert value == pytest.approx(np.std([clip[name] for clip in told["clips"]]))
    for index in range(2):
        with Image.open(tmp_path / "pictures" / f"long_video_{index}.png") as strip:
            assert strip.size == (9 * 10 * 8, 3 * 10 * 8)


def test_it_prints_a_line_for_every_clip_and_the_mean(run, long_clips, capsys):  # noqa: F811
    score_long_videos.main([f"--run_dir={run}", f"--data_dir={long_clips}", "--num_clips=1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip().startswith("clip 0: windows")
    assert lines[1].strip().startswith("mean: windows")
    assert lines[2].strip().startswith("spread: windows 0.000")
    assert "of the windows' own score" in lines[-1]


def test_a_length_is_measured_in_a_process_of_its_own(run):  # noqa: F811
    (measured,) = score_long_videos.measure(f"--run_dir={run}", lengths=(4,))["lengths"]
    assert measured["frames"] == 4
    assert measured["seconds"] > 0
    assert 2**26 < measured["peak_bytes"] < 2**33


def test_lengths_are_compared_with_the_first(monkeypatch, capsys):
    told = {64: (2.0, 100 * 2**20), 600: (30.0, 105 * 2**20)}
    monkeypatch.setattr(
        score_long_videos,
        "_in_own_process",
        lambda model_flag, frames: {"frames": frames, "seconds": told[frames][0], "peak_bytes": told[frames][1]},
    )
    measured = score_long_videos.measure("--run_dir=anywhere", lengths=(64, 600))
    assert measured["memory_ratio"] == {600: pytest.approx(1.05)}
    assert measured["time_ratio"] == {600: pytest.approx(1.6)}
    score_long_videos.print_measured(measured)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "600 against 64 frames: 1.050 x the peak memory, 1.600 x the time per frame"
    )


def test_a_missing_run_is_told_also_from_a_measurement(tmp_path):
    with pytest.raises(UserError, match="nothing_here"):
        score_long_videos.measure(f"--run_dir={tmp_path / 'nothing_here'}", lengths=(4,))


def test_frames_of_the_measured_video():
    frames = list(score_long_videos.moving_square(9, (12, 8)))
    assert {frame.shape for frame in frames} == {(12, 8, 3)}
    assert all((frame == (220, 60, 40)).all(-1).sum() == 4 for frame in frames)
    assert len({frame.tobytes() for frame in frames}) > 3


def test_a_pretrained_model_is_scored_too(tmp_path, capsys):
    video, segments = draw(columns(9))
    frames = np.zeros([9, 24, 24, 3], np.uint8)
    frames[:, : video.shape[1], : video.shape[2]] = np.rint(video * 255)[:, :24, :24]
    masks = np.zeros([9, 24, 24], np.int32)
    masks[:, : video.shape[1], : video.shape[2]] = segments[:, :24, :24]
    write_shard(tmp_path / shard_name("test", 0, 1), [{"video": frames, "segments": masks}])
    score_long_videos.main(["--pretrained=quickstart", f"--data_dir={tmp_path}", "--json"])
    (clip,) = json.loads(capsys.readouterr().out.splitlines()[-1])["clips"]
    assert 0 < clip["windows"] <= 1


@pytest.mark.parametrize("flags", [[], ["--run_dir=x"], ["--data_dir=y"], ["--run_dir=x", "--pretrained=z"]])
def test_flags_that_ask_for_nothing(flags):
    with pytest.raises(SystemExit):
        score_long_videos.parse_arguments(flags)


def test_no_clips_is_refused():
    with pytest.raises(UserError, match="--num_clips=0"):
        score_long_videos.parse_arguments(["--run_dir=x", "--data_dir=y", "--num_clips=0"])
