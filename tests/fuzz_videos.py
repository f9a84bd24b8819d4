"""Fuzzed: videos, animations, pictures, masks, and files of numbers beside them."""

import os
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from fuzz_subjects import ANY, COUNT, EXACT, FRAMES, HEIGHT, WIDTH, Subject, moving_square, sum_of


def _frames(folder: pathlib.Path) -> dict:
    from simone_tf.data.videos.video_files import find_videos
    from simone_tf.data.videos.video_source import VideoSource

    (path,) = find_videos([str(folder / name) for name in sorted(os.listdir(folder))])
    source = VideoSource(path)
    assert source.rate > 0
    return sum_of(source.frames())


def containers() -> list[Subject]:
    def made_with(name: str, codec: str, pixels: str, options: dict[str, str]) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            import av

            with av.open(str(folder / name), "w") as container:
                stream = container.add_stream(codec, rate=25, options=options)
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
                for image in moving_square():
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


def animations() -> list[Subject]:
    def made(name: str, **options: object) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            first, *others = map(Image.fromarray, moving_square())
            first.save(folder / name, save_all=True, append_images=others, duration=100, **options)

        return make

    return [
        Subject("animation.gif", made("animation.gif", loop=0), _frames),
        Subject("animation.apng", made("animation.apng", format="PNG"), _frames, EXACT),
        Subject("animation.webp", made("animation.webp", lossless=True), _frames),
    ]


def pictures() -> list[Subject]:
    def made(name: str, mode: str) -> Callable[[pathlib.Path], None]:
        def make(folder: pathlib.Path) -> None:
            Image.fromarray(moving_square()[3]).convert(mode).save(folder / name)

        return make

    def make_folder(folder: pathlib.Path) -> None:
        (folder / "frames").mkdir()
        for index, image in enumerate(moving_square()[:3]):
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


def masks() -> Subject:
    def make(folder: pathlib.Path) -> None:
        for index in range(3):
            numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
            numbers[4:12, 3 + index : 12 + index] = 2
            Image.fromarray(numbers).save(folder / f"{index:05d}.png")

    def read(folder: pathlib.Path) -> dict:
        from simone_tf.data.videos.mask_files import MaskFolder

        return sum_of(MaskFolder(str(folder)).read())

    return Subject("masks", make, read, EXACT)


def tables() -> list[Subject]:
    table = np.random.default_rng(1).normal(size=(FRAMES, 3))

    def read_camera(folder: pathlib.Path) -> dict:
        from simone_tf.data.videos.camera_files import read_camera

        (name,) = os.listdir(folder)
        return sum_of(read_camera(str(folder / name)))

    def make_json(folder: pathlib.Path) -> None:
        rows = ", ".join(f"[{', '.join(f'{value:.6f}' for value in row)}]" for row in table)
        (folder / "camera.json").write_text(f"[{rows}]")

    return [
        Subject("video.npy", lambda folder: np.save(folder / "video.npy", moving_square()), _frames),
        Subject("camera.npy", lambda folder: np.save(folder / "camera.npy", table), read_camera),
        Subject("camera.csv", lambda folder: np.savetxt(folder / "camera.csv", table, delimiter=","), read_camera, ANY),
        Subject("camera.json", make_json, read_camera, ANY),
    ]
