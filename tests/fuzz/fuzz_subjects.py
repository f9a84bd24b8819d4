"""What is fuzzed: small whole files of every kind that the library reads, and how each is read.

A subject is made once in a folder of its own. Then one of its files is damaged and the folder is read as a command
would: with what a user is told (`UserError`, lines) and what comes out, of which the number of frames or clips, and a
sum over all of it, are kept.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
FRAMES, HEIGHT, WIDTH = 8, 24, 32

EXACT = "exact"
"""The format has checksums: what is read in silence is what was written, to the bit."""

COUNT = "count"
"""It has none: at least no frame or clip is missing in silence."""

ANY = "any"
"""A text that may say something else and still be right: only crashes and hangs count."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One kind of file or folder."""

    name: str
    make: Callable[[pathlib.Path], None]  # writes it into an empty folder
    read: Callable[[pathlib.Path], dict]  # {"count": frames or clips, "sum": of everything read}
    promise: str = COUNT
    damaged: tuple[str, ...] = ()  # names of files that are damaged; all where there is none
    may_begin_late: int = 0  # frames that a stream which begins anywhere may lack at its start


def _sum(parts: Iterable[np.ndarray]) -> dict:
    digest, count = hashlib.sha256(), 0
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
        count += 1
    return {"count": count, "sum": digest.hexdigest()}


def _video() -> np.ndarray:
    """[T, H, W, 3] uint8: a square that walks over a floor with some texture."""
    video = np.random.default_rng(0).integers(40, 90, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    for index, frame in enumerate(video):
        frame[6:16, 2 * index : 2 * index + 10] = (220, 30 * index, 60)
    return video


def _frames(folder: pathlib.Path) -> dict:
    from simone_tf.data.videos.video_files import find_videos
    from simone_tf.data.videos.video_source import VideoSource

    (path,) = find_videos([str(folder / name) for name in sorted(os.listdir(folder))])
    source = VideoSource(path)
    assert source.rate > 0
    return _sum(source.frames())


def _containers() -> list[Subject]:
    def made_with(name: str, codec: str, pixels: str, options: dict[str, str]) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            import av

            with av.open(str(folder / name), "w") as container:
                stream = container.add_stream(codec, rate=25, options=options)
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
                for image in _video():
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode())

        return make

    kinds = (
        ("h264.mp4", "libx264", "yuv420p", {"g": "4"}),
        ("mpeg4.mp4", "mpeg4", "yuv420p", {"g": "4"}),
        ("vp9.webm", "libvpx-vp9", "yuv420p", {"g": "4"}),
        ("ffv1.mkv", "ffv1", "yuv420p", {"level": "3", "slicecrc": "1"}),
        ("mpeg4.avi", "mpeg4", "yuv420p", {"g": "4"}),
        ("mjpeg.mov", "mjpeg", "yuvj420p", {}),
        ("mpeg1.mpg", "mpeg1video", "yuv420p", {"g": "4"}),
        ("flv1.flv", "flv", "yuv420p", {"g": "4"}),
        ("h264.ts", "libx264", "yuv420p", {"g": "4"}),
        ("raw.y4m", "wrapped_avframe", "yuv420p", {}),
    )
    # Of streams that are cut out of longer ones what comes before the first key frame cannot be drawn.
    return [
        Subject(kind[0], made_with(*kind), _frames, may_begin_late=4 * kind[0].endswith(("mpg", "ts")))
        for kind in kinds
    ]


def _animations() -> list[Subject]:
    def made(name: str, **options: object) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            first, *others = map(Image.fromarray, _video())
            first.save(folder / name, save_all=True, append_images=others, duration=100, **options)

        return make

    return [
        Subject("animation.gif", made("animation.gif", loop=0), _frames),
        Subject("animation.apng", made("animation.apng", format="PNG"), _frames, EXACT),
        Subject("animation.webp", made("animation.webp", lossless=True), _frames),
    ]


def _pictures() -> list[Subject]:
    def made(name: str, mode: str) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            Image.fromarray(_video()[3]).convert(mode).save(folder / name)

        return make

    def make_folder(folder: pathlib.Path) -> None:
        (folder / "frames").mkdir()
        for index, image in enumerate(_video()[:3]):
            Image.fromarray(image).save(folder / "frames" / f"{index:05d}.png")

    kinds = (
        ("picture.png", "RGB"),
        ("palette.png", "P"),
        ("picture.jpg", "RGB"),
        ("picture.tif", "RGB"),
        ("picture.bmp", "RGB"),
        ("picture.pgm", "L"),
        ("picture.webp", "RGB"),
    )
    single = [Subject(name, made(name, mode), _frames, EXACT if "png" in name else COUNT) for name, mode in kinds]
    return [*single, Subject("folder", make_folder, _frames, EXACT, ("frames/00001.png",))]


def _masks() -> Subject:
    def make(folder: pathlib.Path) -> None:
        for index in range(3):
            numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
            numbers[4:12, 3 + index : 12 + index] = 2
            Image.fromarray(numbers).save(folder / f"{index:05d}.png")

    def read(folder: pathlib.Path) -> dict:
        from simone_tf.data.videos.mask_files import MaskFolder

        return _sum(MaskFolder(str(folder)).read())

    return Subject("masks", make, read, EXACT)


def _tables() -> list[Subject]:
    table = np.random.default_rng(1).normal(size=(FRAMES, 3))

    def read_camera(folder: pathlib.Path) -> dict:
        from simone_tf.data.videos.camera_files import read_camera

        (name,) = os.listdir(folder)
        return _sum(read_camera(str(folder / name)))

    def make_json(folder: pathlib.Path) -> None:
        rows = ", ".join(f"[{', '.join(f'{value:.6f}' for value in row)}]" for row in table)
        (folder / "camera.json").write_text(f"[{rows}]")

    return [
        Subject("video.npy", lambda folder: np.save(folder / "video.npy", _video()), _frames),
        Subject("camera.npy", lambda folder: np.save(folder / "camera.npy", table), read_camera),
        Subject("camera.csv", lambda folder: np.savetxt(folder / "camera.csv", table, delimiter=","), read_camera, ANY),
        Subject("camera.json", make_json, read_camera, ANY),
    ]


def _records() -> list[Subject]:
    def clips() -> Iterable[dict]:
        for seed in range(5):
            video = np.roll(_video()[:4], 3 * seed, axis=2)
            yield {"video": video, "segments": (video[..., 0] > 200).astype(np.uint8)}

    def read(folder: pathlib.Path, on_corrupt: str = "raise") -> dict:
        from simone_tf.data.formats.records import ClipRecords

        return _all_clips(ClipRecords(str(folder), "train", on_corrupt=on_corrupt), 4)

    def made(compression: str) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            from simone_tf.data.formats.sidecar import write_sidecar
            from simone_tf.data.formats.write_records import shard_name, write_shard

            names = [shard_name("train", index, 2) for index in range(2)]
            some = list(clips())
            counts = {
                name: write_shard(folder / name, part, compression)
                for name, part in zip(names, (some[:3], some[3:]), strict=True)
            }
            write_sidecar(
                folder,
                "train",
                {
                    "num_clips": 5,
                    "shards": counts,
                    "frames": 4,
                    "height": HEIGHT,
                    "width": WIDTH,
                    "fields": ["video", "segments"],
                    "generator": "",
                },
            )

        return make

    def make_tetrominoes(folder: pathlib.Path) -> None:
        source = HERE.parent / "data" / "files" / "tetrominoes_mini.tfrecords"
        shutil.copyfile(source, folder / "tetrominoes_train.tfrecords")

    def read_tetrominoes(folder: pathlib.Path) -> dict:
        from simone_tf.data.formats.tetrominoes import Tetrominoes

        return _all_clips(Tetrominoes(str(folder), "train"), 1)

    shards = tuple(f"train-{index:05d}-of-00002.tfrecord" for index in range(2))
    return [
        Subject("records", made(""), read, EXACT, shards),
        Subject("records_gzip", made("GZIP"), read, EXACT, shards),
        Subject("records_zlib", made("ZLIB"), read, EXACT, shards),
        Subject("records_skip", made(""), lambda folder: read(folder, "skip"), EXACT, shards),
        Subject("sidecar", made(""), read, COUNT, ("dataset.json",)),
        Subject("tetrominoes", make_tetrominoes, read_tetrominoes, EXACT),
    ]


def _all_clips(reader, num_frames: int) -> dict:
    from simone_tf.data.pipeline.batches import evaluation_batches
    from simone_tf.data.pipeline.explain import data_faults_told

    fields = ("video", "segments")
    with data_faults_told(reader, fields, num_frames):
        batches = evaluation_batches(reader, batch_size=2, num_frames=num_frames, fields=fields)
        clips = [
            np.concatenate([batch[name].numpy()[index].ravel() for name in fields])
            for batch in batches
            for index in np.flatnonzero(batch["clip_mask"])
        ]
    return _sum(clips)


def _checkpoints() -> list[Subject]:
    def parts():
        import keras
        import tensorflow as tf

        model = keras.layers.Dense(4)
        model.build((None, 3))
        return {"model": model, "step": tf.Variable(0, dtype=tf.int64)}

    def make(folder: pathlib.Path) -> None:
        from simone_tf.training.checkpoints import Checkpoints

        trained = parts()
        checkpoints = Checkpoints(str(folder), trained)
        for step in (3, 6):
            trained["step"].assign(step)
            trained["model"].kernel.assign(np.random.default_rng(step).normal(size=(3, 4)))
            checkpoints.save(step)

    def state(trained) -> dict:
        return _sum([trained["step"].numpy(), *(variable.numpy() for variable in trained["model"].variables)])

    def read_for_training(folder: pathlib.Path) -> dict:
        from simone_tf.training.checkpoints import Checkpoints

        trained = parts()
        Checkpoints(str(folder), trained).restore_latest()
        return state(trained)

    def read_for_evaluation(folder: pathlib.Path) -> dict:
        from simone_tf.training.checkpoints import restore_weights

        trained = parts()
        _, step = restore_weights(str(folder), trained["model"])
        trained["step"].assign(step)
        return state(trained)

    names = ("ckpt-6.index", "ckpt-6.data-00000-of-00001", "checkpoint")
    damaged = tuple(f"checkpoints/{name}" for name in names)
    return [
        Subject("checkpoint_training", make, read_for_training, EXACT, damaged),
        Subject("checkpoint_evaluation", make, read_for_evaluation, EXACT, damaged),
    ]


def _exports() -> list[Subject]:
    def make(folder: pathlib.Path) -> None:
        from simone_tf.models.parts.decoder import PixelDecoder
        from simone_tf.models.parts.latents import LatentHead
        from simone_tf.models.parts.transformer import Transformer
        from simone_tf.models.simone.encoder import Encoder
        from simone_tf.models.simone.model import SIMONe
        from simone_tf.serving.sizes import sizes_of
        from simone_tf.serving.write_export import write_export

        encoder = Encoder(
            feature_map=(4, 4),
            slot_grid=(2, 2),
            conv_channels=4,
            width=12,
            first_transformer=Transformer(1, 1, 4, 8),
            second_transformer=Transformer(1, 1, 4, 8),
            object_head=LatentHead(3, 8),
            frame_head=LatentHead(3, 8),
        )
        model = SIMONe(encoder, PixelDecoder(8, 2))
        model.build((None, 2, 8, 8, 3))
        write_export(str(folder / "1"), model, sizes_of(model, 2, (8, 8)), {"step": 7, "metrics": None})

    def read(folder: pathlib.Path) -> dict:
        import tensorflow as tf

        from simone_tf.serving.saved_model import load_export

        decode = load_export(str(folder / "1")).loaded.signatures["decode"]
        inputs = decode.structured_input_signature[1]
        answers = decode(**{name: tf.ones([1, *spec.shape[1:]], spec.dtype) for name, spec in inputs.items()})
        return _sum(answers[name].numpy() for name in sorted(answers))

    def make_pretrained(folder: pathlib.Path) -> None:
        from simone_tf.runs.pretrained import find_pretrained

        shutil.copytree(find_pretrained("quickstart"), folder / "mine")

    def read_pretrained(folder: pathlib.Path) -> dict:
        from simone_tf.runs.load import load_pretrained

        return _sum(variable.numpy() for variable in load_pretrained(str(folder / "mine")).model.variables)

    binaries = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
    return [
        Subject("serving_json", make, read, ANY, ("1/serving.json",)),
        Subject("export", make, read, EXACT, tuple(f"1/{name}" for name in binaries)),
        Subject("pretrained", make_pretrained, read_pretrained, EXACT, ("mine/weights.npz", "mine/card.json")),
    ]


SUBJECTS = {
    subject.name: subject
    for subject in (
        *_containers(),
        *_animations(),
        *_pictures(),
        _masks(),
        *_tables(),
        *_records(),
        *_checkpoints(),
        *_exports(),
    )
}
