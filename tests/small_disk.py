"""A disk of a few MiB, held in memory, that tests fill to the last byte."""

import os
import shutil
import subprocess

import pytest

SIZE_MIB = 64


class SmallDisk:
    """A file system of `SIZE_MIB`; `leave` takes up all but so many bytes of it, `empty` gives them back.

    Args:
        folder: where it is mounted.
    """

    def __init__(self, folder):
        self.folder = folder
        self._filler = folder / "filler"

    def leave(self, num_bytes):
        """Fills the disk until this many bytes are free."""
        self.empty()
        free = shutil.disk_usage(self.folder).free
        with open(self._filler, "wb") as file:
            file.write(bytes(free - num_bytes))
        assert shutil.disk_usage(self.folder).free <= num_bytes

    def empty(self):
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path):
    """A `SmallDisk`; where the system mounts none for this user, the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", os.fspath(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a tmpfs can be mounted only by root, and not in every container")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", os.fspath(folder)], check=True)
