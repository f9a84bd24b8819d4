import numpy as np
import pytest

from simone_tf.npz import save_npz


def test_a_file_holds_the_arrays_and_nothing_else(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(True), "c": np.array(["x", "yz"])}
    for file in (tmp_path / "by_name.npz", open(tmp_path / "open.npz", "wb")):  # noqa: SIM115
        save_npz(file, arrays)
    file.close()
    for name in ("by_name.npz", "open.npz"):
        with np.load(tmp_path / name, allow_pickle=False) as read:
            assert sorted(read.files) == ["a", "b", "c"]
            for key, value in arrays.items():
                np.testing.assert_array_equal(read[key], value)
                assert read[key].dtype == value.dtype


@pytest.mark.parametrize("array", [np.array([{}]), np.array([None, 1]), np.zeros(2, [("x", "f4"), ("y", "O")])])
def test_nothing_is_pickled(tmp_path, array):
    with pytest.raises(ValueError, match="b holds Python objects"):
        save_npz(tmp_path / "x.npz", {"a": np.zeros(2), "b": array})
    assert not list(tmp_path.iterdir())
