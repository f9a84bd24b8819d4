import dataclasses
import json
import os

import numpy as np
import pytest
from PIL import Image

from simone_tf import interrupts
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name
from simone_tf.data.videos import import_clips
from simone_tf.data.videos.import_clips import find_sources, import_split
from simone_tf.data.videos.video_clips import ImportPlan
from simone_tf.errors import UserError

PLAN = ImportPlan(frames=2, clips_per_shard=2)


def frames_folder(folder, count, seed=0, size=(8, 8)):
    """A folder of random frames; returns them [count, H, W, 3]."""
    folder.mkdir(parents=True)
    video = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)
    for index, frame in enumerate(video):
        Image.fromarray(frame).save(folder / f"{index}.png")
    return video


def clips_of(data_dir, split="train"):
    reader = ClipRecords(str(data_dir), split)
    return [
        {name: value.numpy() for name, value in reader.parse(record, reader.fields).items()}
        for record in reader.files.serialized()
    ]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else None


def test_clips_come_back_as_they_went_in(tmp_path):
    first = frames_folder(tmp_path / "in" / "walk2", 5, seed=1)
    second = frames_folder(tmp_path / "in" / "walk10", 6, seed=2)
    camera = np.random.default_rng(3).normal(size=(6, 7)).astype(np.float32)
    (tmp_path / "cameras").mkdir()
    np.save(tmp_path / "cameras" / "walk2.npy", camera[:5])
    (tmp_path / "cameras" / "walk10.json").write_text(json.dumps(camera.tolist()))
    for name, count in (("walk2", 5), ("walk10", 6)):
        (tmp_path / "masks" / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(np.full((8, 8), index, np.uint8)).save(tmp_path / "masks" / name / f"{index}.png")
    seen = []
    sources = find_sources([tmp_path / "in"], str(tmp_path / "masks"), str(tmp_path / "cameras"))
    info = import_split(sources, PLAN, str(tmp_path / "out"), "train", on_video=seen.append)
    assert [(video.source.name, video.frames, video.clips) for video in seen] == [("walk2", 5, 2), ("walk10", 6, 3)]
    assert sorted(os.listdir(tmp_path / "out")) == ["dataset.json", *(shard_name("train", i, 3) for i in range(3))]
    assert list(info["shards"].values()) == [2, 2, 1]
    assert (info["num_clips"], info["frames"], info["height"], info["width"]) == (5, 2, 8, 8)
    clips = clips_of(tmp_path / "out")
    videos = [first[0:2], first[2:4], second[0:2], second[2:4], second[4:6]]
    for clip, video, start in zip(clips, videos, (0, 2, 0, 2, 4), strict=True):
        np.testing.assert_array_equal(clip["video"], video)
        np.testing.assert_array_equal(clip["segments"], np.arange(start, start + 2)[:, None, None] + np.zeros((8, 8)))
        np.testing.assert_array_equal(clip["camera"], camera[start : start + 2])
    assert (
        ClipRecords(str(tmp_path / "out"), "train").files.count(str(tmp_path / "out" / shard_name("train", 2, 3))) == 1
    )


def test_the_same_videos_give_the_same_files_and_are_not_imported_twice(tmp_path):
    frames_folder(tmp_path / "a", 4)
    sources = find_sources([tmp_path / "a"])
    import_split(sources, PLAN, str(tmp_path / "one"), "train")
    import_split(sources, PLAN, str(tmp_path / "two"), "train")
    assert content(tmp_path / "one") == content(tmp_path / "two")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}
    seen = []
    info = import_split(sources, PLAN, str(tmp_path / "one"), "train", on_video=seen.append)
    assert info["num_clips"] == 2
    assert not seen
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}


def test_another_split_joins_and_other_settings_are_refused(tmp_path):
    frames_folder(tmp_path / "a", 4)
    frames_folder(tmp_path / "b", 4)
    out = tmp_path / "out"
    import_split(find_sources([tmp_path / "a"]), PLAN, str(out), "train")
    import_split(find_sources([tmp_path / "b"]), PLAN, str(out), "test")
    assert set(json.loads((out / "dataset.json").read_text())["splits"]) == {"train", "test"}
    before = content(out)
    for sources, plan in (("b", PLAN), ("a", ImportPlan(frames=1))):
        with pytest.raises(UserError, match="already holds a split 'train'"):
            import_split(find_sources([tmp_path / sources]), plan, str(out), "train")
    (out / "dataset.json").unlink()
    with pytest.raises(UserError, match="not known to"):
        import_split(find_sources([tmp_path / "a"]), PLAN, str(out), "train")
    del before["dataset.json"]
    assert content(out) == before


def test_after_an_error_nothing_is_left(tmp_path):
    frames_folder(tmp_path / "a", 6)
    frames_folder(tmp_path / "b", 6)
    (tmp_path / "b" / "4.png").write_bytes((tmp_path / "b" / "4.png").read_bytes()[:60])
    sources = find_sources([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(UserError, match=r"4\.png is damaged"):
        import_split(sources, PLAN, str(tmp_path / "out"), "train")
    assert not (tmp_path / "out").exists()
    import_split(sources[:1], PLAN, str(tmp_path / "out"), "train")
    before = content(tmp_path / "out")
    with pytest.raises(UserError):
        import_split(sources, PLAN, str(tmp_path / "out"), "test")
    assert content(tmp_path / "out") == before


def test_leftovers_of_a_killed_import_are_cleared(tmp_path):
    frames_folder(tmp_path / "a", 2)
    (tmp_path / "out" / ".importing-train.xyz").mkdir(parents=True)
    (tmp_path / "out" / ".importing-train.xyz" / "0").write_bytes(b"half a shard")
    import_split(find_sources([tmp_path / "a"]), PLAN, str(tmp_path / "out"), "train")
    assert sorted(os.listdir(tmp_path / "out")) == ["dataset.json", shard_name("train", 0, 1)]


def test_short_videos_are_refused_or_left_out(tmp_path):
    frames_folder(tmp_path / "long", 4)
    frames_folder(tmp_path / "short", 1)
    sources = find_sources([tmp_path / "short", tmp_path / "long"])
    with pytest.raises(UserError, match="short has 1 frame, a clip of 2 with stride 1 takes 2"):
        import_split(sources, PLAN, str(tmp_path / "out"), "train")
    skipping = ImportPlan(frames=2, skip_short=True)
    assert import_split(sources, skipping, str(tmp_path / "out"), "train")["num_clips"] == 2
    with pytest.raises(UserError, match="None of the 1 videos"):
        import_split(sources[:1], skipping, str(tmp_path / "other"), "train")
    assert not (tmp_path / "other").exists()


def test_sizes_and_cameras_must_agree_over_videos(tmp_path):
    frames_folder(tmp_path / "a", 2)
    frames_folder(tmp_path / "b", 2, size=(8, 12))
    with pytest.raises(UserError, match=r"12 x 8 pixels, .*a of 8 x 8"):
        import_split(find_sources([tmp_path / "a", tmp_path / "b"]), PLAN, str(tmp_path / "out"), "train")
    sized = ImportPlan(frames=2, size=(4, 4))
    (tmp_path / "a.csv").write_text("1\n2\n")
    (tmp_path / "b.csv").write_text("1,1\n2,2\n")
    sources = find_sources([tmp_path / "a", tmp_path / "b"], camera=str(tmp_path))
    with pytest.raises(UserError, match="2 numbers per frame"):
        import_split(sources, sized, str(tmp_path / "out"), "train")
    assert import_split(find_sources([tmp_path / "a", tmp_path / "b"]), sized, str(tmp_path / "out"), "train")


def test_counts_are_compared_before_anything_is_decoded(tmp_path, monkeypatch):
    frames_folder(tmp_path / "a", 4)
    frames_folder(tmp_path / "b", 4)
    frames_folder(tmp_path / "masks" / "a", 4)
    frames_folder(tmp_path / "masks" / "b", 3)
    monkeypatch.setattr(import_clips, "video_clips", lambda *_: pytest.fail("it was decoded"))
    sources = find_sources([tmp_path / "a", tmp_path / "b"], masks=str(tmp_path / "masks"))
    with pytest.raises(UserError, match=r"b has 3 masks, .*b has 4 frames"):
        import_split(sources, PLAN, str(tmp_path / "out"), "train")


def test_find_sources(tmp_path):
    frames_folder(tmp_path / "x" / "a", 1)
    frames_folder(tmp_path / "y" / "a", 1)
    frames_folder(tmp_path / "m", 1)
    (tmp_path / "c.csv").write_text("1\n")
    (only,) = find_sources([tmp_path / "x" / "a"], str(tmp_path / "m"), str(tmp_path / "c.csv"))
    assert (only.name, only.masks, only.camera) == ("a", str(tmp_path / "m"), str(tmp_path / "c.csv"))
    both = [tmp_path / "x" / "a", tmp_path / "y" / "a"]
    assert len(find_sources(both)) == 2
    with pytest.raises(UserError, match="both named 'a'"):
        find_sources(both, masks=str(tmp_path / "m"))
    with pytest.raises(UserError, match="both named 'a'"):
        find_sources([both[0], both[0]])
    with pytest.raises(UserError, match="no camera file"):
        find_sources(both[:1], camera=str(tmp_path / "m"))


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    frames_folder(tmp_path / "a", 2)

    def full(path, clips):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(import_clips, "write_shard", full)
    with pytest.raises(UserError, match="No space left on device"):
        import_split(find_sources([tmp_path / "a"]), PLAN, str(tmp_path / "out"), "train")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        import_split(find_sources([tmp_path / "a"]), PLAN, str(tmp_path / "file"), "train")


def test_names_in_another_form_of_unicode_are_found(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for video, other in ((composed, decomposed), (decomposed, composed)):
        root = tmp_path / video
        frames_folder(root / "in" / video, 2)
        frames_folder(root / "masks" / other, 2)
        (root / "cameras").mkdir()
        (root / "cameras" / f"{other}.csv").write_text("1\n2\n")
        (source,) = find_sources([root / "in"], str(root / "masks"), str(root / "cameras"))
        assert source.masks == str(root / "masks" / other)
        assert source.camera == str(root / "cameras" / f"{other}.csv")
    frames_folder(tmp_path / "both" / composed, 2)
    frames_folder(tmp_path / "both" / decomposed, 2)
    with pytest.raises(UserError, match="both named"):
        find_sources([tmp_path / "both"], masks=str(tmp_path))


def kubric_folder(folder, count=4):
    folder.mkdir(parents=True)
    video = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    for index, frame in enumerate(video):
        for layer in ("rgba", "forward_flow", "normal", "object_coordinates"):
            shown = frame if layer == "rgba" else 255 - frame
            Image.fromarray(shown).save(folder / f"{layer}_{index:05d}.png")
        ids = Image.fromarray(np.full((8, 8), index + 1, np.uint8))
        ids.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
        ids.save(folder / f"segmentation_{index:05d}.png")
        Image.fromarray(np.ones((8, 8), np.float32)).save(folder / f"depth_{index:05d}.tiff")
    (folder / "metadata.json").write_text("{}")
    return video


def test_kubric_folders_are_imported_with_their_masks(tmp_path):
    videos = [kubric_folder(tmp_path / "in" / name) for name in ("a", "b")]
    for masks in (None, str(tmp_path / "in")):
        out = tmp_path / f"out {masks is None}"
        info = import_split(find_sources([tmp_path / "in"], masks=masks), PLAN, str(out), "train")
        assert info["fields"] == ["video", "segments"]
        clips = clips_of(out)
        np.testing.assert_array_equal([clip["video"] for clip in clips], np.concatenate(videos).reshape(4, 2, 8, 8, 3))
        assert [clip["segments"][:, 0, 0].tolist() for clip in clips] == [[1, 2], [3, 4]] * 2
    (source,) = find_sources([tmp_path / "in" / "a"], masks=str(tmp_path / "in" / "a"))
    assert (source.path, source.masks) == (str(tmp_path / "in" / "a"),) * 2
    frames_folder(tmp_path / "plain", 4)
    # Clips of one set have the same fields.
    assert [source.masks for source in find_sources([tmp_path / "in" / "a", tmp_path / "plain"])] == [None, None]


def test_frames_and_masks_in_one_folder_are_told_apart_by_patterns(tmp_path):
    folder = tmp_path / "walk"
    video = frames_folder(folder, 4)
    for index in range(4):
        (folder / f"{index}.png").rename(folder / f"frame_{index}.png")
        Image.fromarray(np.full((8, 8), index + 5, np.uint8)).save(folder / f"mask_{index}.png")
    with pytest.raises(UserError, match=r"frame_0.png to frame_3.png, mask_0.png to mask_3.png"):
        import_split(find_sources([folder]), PLAN, str(tmp_path / "out"), "train")
    sources = find_sources([folder / "frame_*"], masks=str(folder / "mask_*"))
    import_split(sources, PLAN, str(tmp_path / "out"), "train")
    clips = clips_of(tmp_path / "out")
    np.testing.assert_array_equal(np.concatenate([clip["video"] for clip in clips]), video)
    assert [clip["segments"][:, 0, 0].tolist() for clip in clips] == [[5, 6], [7, 8]]


def test_masks_that_are_numbered_one_off_are_found_before_anything_is_decoded(tmp_path, monkeypatch):
    frames_folder(tmp_path / "a", 4)
    frames_folder(tmp_path / "masks", 5)
    (tmp_path / "masks" / "0.png").unlink()
    monkeypatch.setattr(import_clips, "video_clips", lambda *_: pytest.fail("it was decoded"))
    sources = find_sources([tmp_path / "a"], masks=str(tmp_path / "masks"))
    with pytest.raises(UserError, match=r"4 masks, .*a has 4 frames, and by number no mask is of 0\.png"):
        import_split(sources, PLAN, str(tmp_path / "out"), "train")


def test_only_a_split_made_with_skip_says_so(tmp_path):
    """Splits that are older than the choice are still known to be the same."""
    frames_folder(tmp_path / "a", 4)
    sources = find_sources([tmp_path / "a"])
    assert "on_corrupt" not in import_split(sources, PLAN, str(tmp_path / "one"), "train")["generator"]
    plan = dataclasses.replace(PLAN, on_corrupt="skip")
    assert import_split(sources, plan, str(tmp_path / "two"), "train")["generator"]["on_corrupt"] == "skip"


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_an_interrupt_while_the_shards_are_moved_leaves_a_whole_split(tmp_path, monkeypatch, number):
    """Before that it leaves nothing; a part of a split would be a stranger to the next command."""
    frames_folder(tmp_path / "video", 9)
    sources, out = find_sources([tmp_path / "video"]), tmp_path / "out"
    interrupts.install("")
    replace = os.replace

    def interrupted(source, target):
        replace(source, target)
        if os.path.basename(target) == shard_name("train", 0, 2):
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_split(sources, PLAN, str(out), "train")
    names = [shard_name("train", index, 2) for index in range(2)]
    assert sorted(content(out)) == ["dataset.json", *names]
    assert len(clips_of(out)) == 4
    info = json.loads((out / "dataset.json").read_text())["splits"]["train"]
    assert import_split(sources, PLAN, str(out), "train") == info

    interrupts.install("")
    monkeypatch.setattr(import_clips, "write_shard", lambda *arguments: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        import_split(sources, PLAN, str(tmp_path / "other"), "train")
    assert not (tmp_path / "other").exists()
