import io

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.png_chunks import damaged_chunk
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError


def png_of(side=40, **options):
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(content, "PNG", **options)
    return content.getvalue()


def test_every_flipped_byte_is_told_with_its_chunk(tmp_path):
    path = tmp_path / "a.png"
    content = png_of(6)
    path.write_bytes(content)
    assert damaged_chunk(path) == ""
    data = content.index(b"IDAT")
    for place in range(data + 4, content.index(b"IEND") - 4):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert damaged_chunk(path) == "IDAT"
        with pytest.raises(UserError, match="the checksum of its chunk IDAT is wrong"):
            list(read_frames(path))


def test_the_last_rows_lost_on_a_disk_are_no_black_rows(tmp_path):
    content = png_of()
    for name, start in (("end", len(content) // 2), ("middle", len(content) // 3)):
        path = tmp_path / name / "0.png"
        path.parent.mkdir()
        path.write_bytes(content[:start] + bytes(200) + content[start + 200 :])
        for source in (path, path.parent):
            with pytest.raises(UserError, match="is damaged"):
                list(read_frames(source))
        with pytest.raises(UserError, match="is damaged"):
            list(MaskFolder(str(path.parent)).read())


def test_frames_of_an_animation_are_compared_too(tmp_path):
    path = tmp_path / "a.apng"
    first, second = (Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 200))
    first.save(path, "PNG", save_all=True, append_images=[second])
    content = path.read_bytes()
    assert damaged_chunk(path) == ""
    place = content.index(b"fdAT") + 10
    path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
    assert damaged_chunk(path) == "fdAT"


@pytest.mark.parametrize("more", [b"", b"text", bytes(20), b"\xff" * 40])
def test_what_follows_the_end_is_of_no_account(tmp_path, more):
    path = tmp_path / "a.png"
    path.write_bytes(png_of() + more)
    assert damaged_chunk(path) == ""
    assert len(list(read_frames(path))) == 1


def test_a_chunk_longer_than_the_file_and_a_strange_name(tmp_path):
    path = tmp_path / "a.png"
    content = png_of(6)
    path.write_bytes(content[:8] + b"\xff\xff\xff\xff" + content[12:])
    assert damaged_chunk(path) == ""  # nothing to compare: the decoder refuses it
    path.write_bytes(content[:8] + content[8:12] + b"\x01\xffDR" + content[16:])
    assert damaged_chunk(path) == "??DR"
