import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.data.videos.camera_files import read_camera
from simone_tf.errors import UserError

TABLE = np.array([[0.5, -1.0, 3e10], [1.0, 2.0, 4.0]], np.float32)


def test_the_three_kinds_agree(tmp_path):
    np.save(tmp_path / "c.npy", TABLE.astype(np.float64))
    (tmp_path / "c.csv").write_text("x, y, z\n" + "\n".join(",".join(map(str, row)) for row in TABLE.tolist()) + "\n\n")
    (tmp_path / "bare.csv").write_text("\n".join(",".join(map(str, row)) for row in TABLE.tolist()))
    (tmp_path / "c.json").write_text(json.dumps(TABLE.tolist()))
    for name in ("c.npy", "c.csv", "bare.csv", "c.json"):
        camera = read_camera(tmp_path / name)
        assert camera.dtype == np.float32
        np.testing.assert_array_equal(camera, TABLE, err_msg=name)


def test_matrices_are_flattened(tmp_path):
    matrices = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    np.save(tmp_path / "c.npy", matrices)
    (tmp_path / "c.json").write_text(json.dumps(matrices.tolist()))
    for name in ("c.npy", "c.json"):
        np.testing.assert_array_equal(read_camera(tmp_path / name), matrices.reshape(2, 16))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b"1,2\n3\n"),
        ("c.csv", b""),
        ("c.csv", b"x,y\n"),
        ("c.csv", b"1,2\n3,nan\n"),
        ("c.csv", b"1,2\nthree,4\n"),
        ("c.csv", b"\xff\xfe\x00"),
        ("c.json", b"[[1, 2], [3]]"),
        ("c.json", b"[1, 2]"),
        ("c.json", b'{"camera": [[1]]}'),
        ("c.json", b"[]"),
        ("c.json", b"[[]]"),
        ("c.json", b"[[1e999]]"),
        ("c.json", b"[" * 100_000),
        ("c.json", b'[["a"]]'),
        ("c.npy", b"no array"),
        ("c.npy", b""),
        ("c.txt", b"1,2"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        read_camera(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_pickles_and_claimed_sizes_are_refused(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([[{}]], object), allow_pickle=True)
    np.save(tmp_path / "huge.npy", np.zeros((2, 3)))
    content = (tmp_path / "huge.npy").read_bytes()
    (tmp_path / "huge.npy").write_bytes(content.replace(b"(2, 3), }             ", b"(200000000000, 3), }  "))
    np.save(tmp_path / "line.npy", np.zeros(3))
    np.save(tmp_path / "complex.npy", np.zeros((3, 3), complex))
    for name in ("pickle.npy", "huge.npy", "line.npy", "complex.npy", "missing.npy"):
        with pytest.raises(UserError, match=name) as error:
            read_camera(tmp_path / name)
        # NumPy's own words advise to load it all the same.
        assert "allow_pickle" not in str(error.value)


@given(content=st.binary(max_size=60), suffix=st.sampled_from([".npy", ".csv", ".json"]))
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("any") / f"c{suffix}"
    path.write_bytes(content)
    try:
        camera = read_camera(path)
    except UserError:
        return
    assert camera.ndim == 2
    assert np.isfinite(camera).all()


@pytest.mark.parametrize("place", [b"(", b"{", b"'", b","])
def test_a_header_that_pythons_parser_chokes_on_is_told(tmp_path, place):
    path = tmp_path / "camera.npy"
    np.save(path, np.zeros((4, 3)))
    content = path.read_bytes()
    start = content.index(b"(4, 3)")
    path.write_bytes(content[:start] + 6 * place + content[start + 6 :])
    with pytest.raises(UserError, match="is not a table of a row of numbers per frame"):
        read_camera(path)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(("name", "content"), [("c.csv", "x,y\n1,2.5\n3,4\n"), ("c.json", "[[1, 2.5],\n[3, 4]]\n")])
def test_files_of_windows(tmp_path, name, content, mark):
    (tmp_path / name).write_bytes(mark + content.replace("\n", "\r\n").encode())
    np.testing.assert_array_equal(read_camera(tmp_path / name), [[1, 2.5], [3, 4]])
