"""The decompose command: every kind of video, every kind of model, and every mistake in one sentence."""

import functools
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from simone_tf import decompose, export
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.long_videos import window_model
from simone_tf.runs import load

from decomposed import done, moving_square
from made_videos import whole
from tiny_run import SIZE, fails


def write_mp4(path, video):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
        for image in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_folder(path, pictures):
    path.mkdir()
    for index, picture in enumerate(pictures):
        picture.save(path / f"{index}.png")
    return path


@pytest.fixture(scope="module")
def model(run):
    return [f"--run_dir={run}"]


@pytest.fixture(autouse=True)
def _one_model(monkeypatch):
    """A run is read, and its functions are traced, once for all tests."""
    monkeypatch.setattr(load, "load_run", lambda run_dir, params=(), best=False: _load_run(run_dir, (*params,), best))
    monkeypatch.setattr(window_model, "of_run_model", _of_run_model)


_load_run = functools.cache(load.load_run)
_of_run_model = functools.cache(window_model.of_run_model)


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "walk.npy", moving_square(7))
    return tmp_path / "walk.npy"


def test_lengths_from_one_frame_on(tmp_path, model):
    """The tiny model's windows have two frames."""
    for count in (1, 2, 3, 9):
        np.save(tmp_path / "a.npy", moving_square(count))
        content = done(tmp_path / "a.npy", model, tmp_path / f"out{count}")
        assert content["frames"] == count
        with np.load(tmp_path / f"out{count}" / "latents.npz", allow_pickle=False) as latents:
            assert len(latents["frame_means"]) == count
            for name, value in latents.items():
                assert value.dtype.kind in "if", name


def test_the_same_video_in_every_form_gives_the_same(tmp_path, model, npy):
    video = np.load(npy)
    images = [Image.fromarray(frame) for frame in video]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    write_folder(tmp_path / "frames", images)
    np.save(tmp_path / "floats.npy", (video / 255).astype(np.float32))
    paths = [npy, tmp_path / "a.gif", tmp_path / "frames", tmp_path / "floats.npy"]
    latents = []
    for number, path in enumerate(paths):
        assert done(path, model, tmp_path / str(number))["frames"] == 7
        with np.load(tmp_path / str(number) / "latents.npz") as arrays:
            latents.append(dict(arrays))
    for other in latents[1:]:
        for name, value in latents[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_masks_and_description_agree(tmp_path, model, npy):
    content = done(npy, model, tmp_path / "out")
    masks = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out" / "masks").iterdir())]
    assert {mask.shape for mask in masks} == {(SIZE, SIZE)}
    for facts in content["objects"]:
        share = np.mean([mask == facts["id"] for mask in masks])
        assert facts["mean_share_of_frame"] == pytest.approx(share, abs=1e-5)
        assert (tmp_path / "out" / facts["file"]).is_file()
    assert content["video"]["size"] == [SIZE, SIZE]
    assert content["model"]["num_frames"] == 2
    assert content["camera_from"] == "the first frame of every window"


def test_what_is_found_is_printed(tmp_path, model, npy, capsys):
    content = done(npy, model, tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert sum(f"{npy}: 7 frames, taken apart in " in line for line in lines) == 1
    for facts in content["objects"]:
        (line,) = (line for line in lines if line.startswith(f"object {facts['id']}: "))
        seen = f"in {facts['frames_seen']} frames from {facts['first_frame']} to {facts['last_frame']}, "
        assert seen + f"{facts['mean_share_of_frame']:.1%} of the pixels" in line


def test_the_background_is_told_from_the_objects(tmp_path, model, npy, capsys):
    content = done(npy, model, tmp_path / "out", "--fps=0.1")
    (largest,) = (facts for facts in content["objects"] if facts["uncoloured_in_overlay"])
    assert largest["mean_share_of_frame"] == max(facts["mean_share_of_frame"] for facts in content["objects"])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "taken for the background" in line)
    assert line.startswith(f"object {largest['id']}: ")


def test_odd_sizes_alpha_and_grey(tmp_path, model):
    rng = np.random.default_rng(0)
    pictures = {
        "odd": [Image.fromarray(rng.integers(0, 256, (37, 53, 3), np.uint8)) for _ in range(3)],
        "alpha": [Image.fromarray(rng.integers(0, 256, (16, 16, 4), np.uint8)) for _ in range(3)],
        "grey": [Image.fromarray(rng.integers(0, 256, (9, 16), np.uint8)) for _ in range(2)],
        "wide": [Image.new("RGB", (20_000, 10), (200, 10, 10))],
        "dot": [Image.new("RGB", (1, 1), (200, 10, 10))],
    }
    for name, frames in pictures.items():
        write_folder(tmp_path / name, frames)
        content = done(tmp_path / name, model, tmp_path / f"{name}_out", "--fit=pad")
        assert content["frames"] == len(frames)
        assert content["video"]["crop"] == [0, 0, *content["video"]["size"]]


def test_mp4_with_its_own_rate_or_another(tmp_path, model):
    path = write_mp4(tmp_path / "a.mp4", moving_square(6, 34, 50))
    assert done(path, model, tmp_path / "own")["frames_per_second"] == 24
    content = done(path, model, tmp_path / "other", "--fps=5")
    assert (content["frames"], content["frames_per_second"]) == (6, 5)
    assert content["video"]["crop"] == [0, 8, 34, 34]
    assert content["overlap"] == 1
    with Image.open(tmp_path / "other" / "overlay.gif") as image:
        assert image.info["duration"] == 200


def test_an_export_gives_what_its_run_gives(tmp_path, run, model, npy):
    export.main([f"--run_dir={run}", f"--export_dir={tmp_path / 'export' / '1'}"])
    done(npy, model, tmp_path / "of_run")
    done(npy, [f"--saved_model={tmp_path / 'export' / '1'}"], tmp_path / "of_export")
    with np.load(tmp_path / "of_run" / "latents.npz") as a, np.load(tmp_path / "of_export" / "latents.npz") as b:
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=1e-5, err_msg=name)


def test_pretrained_models_need_no_run(tmp_path, npy):
    content = done(npy, ["--pretrained=quickstart"], tmp_path / "out")
    assert content["model"]["source"] == "pretrained quickstart"


def test_camera_of_another_video(tmp_path, model, npy):
    np.save(tmp_path / "other.npy", 255 - moving_square(1))
    done(npy, model, tmp_path / "still")
    content = done(npy, model, tmp_path / "moved", f"--camera_from={tmp_path / 'other.npy'}")
    assert content["camera_from"] == str(tmp_path / "other.npy")
    still, moved = ((tmp_path / name / "recomposition.gif").read_bytes() for name in ("still", "moved"))
    assert still != moved


def test_without_pyav(tmp_path, model, npy, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert done(npy, model, tmp_path / "out")["mp4"] is False
    assert "pip install simone_tf[video]" in capsys.readouterr().out
    (tmp_path / "a.mp4").write_bytes(b"x")
    out = f"--out={tmp_path / 'other'}"
    assert "needs PyAV" in fails(capsys, [str(tmp_path / "a.mp4"), *model, out], decompose.main)


def test_outputs_go_beside_the_working_folder_by_default(tmp_path, model, npy, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    decompose.main([str(npy), *model])
    assert os.listdir(tmp_path / "here") == ["walk_decomposition"]


def test_an_earlier_decomposition_is_replaced_only_when_asked(tmp_path, model, npy, capsys):
    done(npy, model, tmp_path / "out")
    flags = [str(npy), *model, f"--out={tmp_path / 'out'}"]
    assert "--overwrite" in fails(capsys, flags, decompose.main)
    np.save(npy, moving_square(3))
    assert done(npy, model, tmp_path / "out", "--overwrite")["frames"] == 3


def damaged_videos(folder):
    whole = write_mp4(folder / "whole.mp4", np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8))
    content = bytearray(whole.read_bytes())
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    # Over several frames: damage inside one frame may decode to something.
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    (folder / "corrupt.mp4").write_bytes(content)
    for name in ("text.mp4", "text.gif", "text.npy", "text.png", "text"):
        (folder / name).write_text("hello world")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "nothing").mkdir()
    np.save(folder / "objects.npy", np.array([{}], dtype=object))
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (10**9, 999, 999, 3), }".ljust(117) + b"\n"
    (folder / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    np.save(folder / "to_255.npy", np.full((3, 4, 4, 3), 200.0))
    write_folder(folder / "sizes", [Image.new("RGB", (8, 8)), Image.new("RGB", (8, 9))])
    Image.new("L", (20_000, 1700)).save(folder / "large.png")
    return [path for path in folder.iterdir() if path != whole] + [folder / "missing.mp4"]


def test_what_cannot_be_read_is_told_and_nothing_is_left(tmp_path, model, capsys):
    (tmp_path / "videos").mkdir()
    for path in damaged_videos(tmp_path / "videos"):
        message = fails(capsys, [str(path), *model, f"--out={tmp_path / 'out'}"], decompose.main)
        assert str(path) in message
        assert sorted(os.listdir(tmp_path)) == ["videos"], path


def test_damaged_frames_are_left_out_and_told(tmp_path, model, capsys):
    pytest.importorskip("av")
    content = whole("mpeg4.avi")
    path = tmp_path / "torn.avi"
    path.write_bytes(content[: len(content) // 2] + bytes(400) + content[len(content) // 2 + 400 :])
    assert "damaged at frame" in fails(capsys, [str(path), *model, f"--out={tmp_path / 'out'}"], decompose.main)
    frames = done(path, model, tmp_path / "out", "--on_corrupt=skip")["frames"]
    assert 5 < frames < 30
    assert f"torn.avi: {30 - frames} damaged frames were left out" in capsys.readouterr().out


def test_what_is_wrong_with_the_flags_is_told(tmp_path, model, npy, capsys):
    out = f"--out={tmp_path / 'out'}"
    for flags, words in (
        ([], "No model is named"),
        ([*model, "--pretrained=quickstart"], "Several models"),
        (["--pretrained=nothing"], "quickstart"),
        (["--pretrained=quickstart", "--best"], "--best"),
        ([*model, "--fps=0"], "--fps"),
        ([*model, "--fps=nan"], "--fps"),
        ([*model, "--fps=0.099"], "from 0.1 to 240"),
        ([*model, "--fps=240.5"], "from 0.1 to 240"),
        ([*model, "--overlap=2"], "overlap"),
        ([*model, "--overlap=-1"], "overlap"),
        ([*model, f"--camera_from={tmp_path / 'missing.gif'}"], "missing.gif"),
        ([f"--run_dir={tmp_path}"], str(tmp_path)),
        ([f"--saved_model={tmp_path}"], str(tmp_path)),
        ([f"--saved_model={tmp_path / 'missing'}"], "missing"),
    ):
        assert words in fails(capsys, [str(npy), *flags, out], decompose.main), flags
        assert os.listdir(tmp_path) == ["walk.npy"]


def test_damaged_runs_and_exports_are_told(tmp_path, run, npy, capsys):
    out = f"--out={tmp_path / 'out'}"
    half = shutil.copytree(run, tmp_path / "half")
    for path in (half / "checkpoints").glob("*.data-*"):
        path.write_bytes(path.read_bytes()[:100])
    assert "damaged" in fails(capsys, [str(npy), f"--run_dir={half}", out], decompose.main)
    foreign = shutil.copytree(run, tmp_path / "foreign")
    config = (foreign / "config.gin").read_text()
    (foreign / "config.gin").write_text(config.replace("LatentHead.latent_size = 3", "LatentHead.latent_size = 5"))
    assert "another architecture" in fails(capsys, [str(npy), f"--run_dir={foreign}", out], decompose.main)
    exported = tmp_path / "export" / "1"
    export.main([f"--run_dir={run}", f"--export_dir={exported}"])
    (exported / "variables" / "variables.index").unlink()
    assert "variables.index" in fails(capsys, [str(npy), f"--saved_model={exported}", out], decompose.main)
    assert not (tmp_path / "out").exists()


def test_cuts_are_written_and_can_be_left_alone(tmp_path, capsys):
    """Two scenes of the embedded set, of 6 and 4 frames."""
    reader = ClipRecords("package:quickstart", "test")
    first, second = next(iter(evaluation_batches(reader, batch_size=2, num_frames=4).as_numpy_iterator()))["video"]
    np.save(tmp_path / "a.npy", np.concatenate([first, first[:-3:-1], second]).astype(np.float32))
    content = done(tmp_path / "a.npy", ["--pretrained=quickstart"], tmp_path / "out")
    assert content["cuts"] == [6]
    assert "Another scene begins at frame 6." in capsys.readouterr().out
    frames = {entry["id"]: (entry["first_frame"], entry["last_frame"]) for entry in content["objects"]}
    slots = load.load_pretrained("quickstart").model.num_slots
    assert {last < 6 for number, (_, last) in frames.items() if number < slots} == {True}
    assert {begin >= 6 for number, (begin, _) in frames.items() if number >= slots} == {True}
    assert sum(entry["uncoloured_in_overlay"] for entry in content["objects"]) == 2
    for index in range(10):
        with Image.open(tmp_path / "out" / "masks" / f"frame_{index:06d}.png") as mask:
            assert {*np.unique(np.asarray(mask)).tolist()} <= {
                *(range(slots) if index < 6 else range(slots, 2 * slots))
            }
    with np.load(tmp_path / "out" / "latents.npz", allow_pickle=False) as latents:
        assert latents["window_starts"].tolist() == [0, 2, 6]
        assert latents["merged_object_ids"].tolist() == [*range(2 * slots)]

    content = done(tmp_path / "a.npy", ["--pretrained=quickstart"], tmp_path / "one", "--no_cuts")
    assert content["cuts"] is None
    assert "Another scene" not in capsys.readouterr().out
    assert {entry["first_frame"] for entry in content["objects"]} != {6}
    with np.load(tmp_path / "one" / "latents.npz", allow_pickle=False) as latents:
        assert latents["window_starts"].tolist() == [0, 2, 4, 6]
