"""What the README and docs/ tell a user to type is typed: every command and every Python block, page by page.

A page's blocks run in their order in a folder that has gin/, docs/ and tools/, a tiny trained run and stand-ins for a
user's data; a command that several pages tell runs once. Commands that train are shortened by further flags
(`SHORTENED`); what cannot run here is named with its reason (`LEFT_OUT`, `LEFT_OUT_PYTHON`). A command in neither table
fails the test, so that it is classified when it is written.
"""

import functools
import importlib
import importlib.util
import pathlib
import re
import shlex
import subprocess
import sys
from typing import NamedTuple

import gin
import numpy as np
import pytest
from PIL import Image

from simone_tf.cli import command
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.errors import UserError
from simone_tf.scenes.processes import RenderProcesses

import gqn_set
import image_sets
from docs_tables import LEFT_OUT, LEFT_OUT_PYTHON, SHORTENED
from loaded_tool import load_tool
from tiny_run import REPOSITORY, make_clips

PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md"))
)
TRAINED = ["python", "-m", "simone_tf.train", "--gin_file=gin/quickstart.gin", "--run_dir=runs/quickstart"]
"""The command of the README behind the run that most pages need."""
FILE = re.compile(r"`([\w/]+\.(?:py|gin))`:$")
"""The end of the line before a block that is to be saved under a name."""


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    name: str | None  # of the file it is to be saved as
    line: int


def blocks(page):
    """The blocks of a page that are commands, Python, or files."""
    lines = (REPOSITORY / page).read_text(encoding="utf-8").splitlines()
    found, begin, before = [], None, ""
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            before = line if line and begin is None else before
        elif begin is None:
            begin = number
        else:
            file = FILE.search(before)
            text = "\n".join(lines[begin + 1 : number]) + "\n"
            found.append(Block(lines[begin][3:], text, file and file[1], begin + 2))
            begin = None
    return [block for block in found if block.language in ("bash", "python") or block.name]


def commands(block):
    """The commands of a bash block, as lists of words."""
    for line in block.text.splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words:
                yield words


def reason(table, text):
    return next((value for pattern, value in table if re.match(pattern, text)), None)


def all_commands():
    for page in PAGES:
        for block in blocks(page):
            if block.language == "bash":
                for words in commands(block):
                    yield page, _plain(words)


def _plain(words):
    """Of an environment's own Python only `python` is left."""
    return [words[0].removeprefix(".venv/bin/") if words[0].endswith("/python") else words[0], *words[1:]]


@pytest.fixture(scope="module")
def renders():
    with RenderProcesses(1) as pool:
        try:
            pool.check()
        except UserError:
            return False
    return True


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory):
    """A clone as a user has it, and stand-ins for data of their own."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("gin", "docs", "tools"):
        (folder / name).symlink_to(REPOSITORY / name)
    sets = (("objects_room", 64, 2), ("quickstart_long", 24, 8), ("long", 24, 8))
    for name, size, frames in sets:
        data_dir = folder / "datasets" / name
        data_dir.mkdir(parents=True)
        for seed, split in enumerate(("train", "test")):
            clips = list(make_clips(2, seed, frames=frames, size=size))
            write_shard(data_dir / shard_name(split, 0, 1), clips)
    views = folder / "datasets" / "quickstart_views"
    views.mkdir()
    for seed, split in enumerate(("train", "test")):
        camera = gqn_set.poses(np.random.default_rng(seed).uniform(-3, 3, (8, 5)))
        clips = [clip | {"camera": camera} for clip in make_clips(2, seed, frames=8, size=24)]
        write_shard(views / shard_name(split, 0, 1), clips)
    (folder / "datasets" / "mine").mkdir()
    (folder / "datasets" / "tetrominoes").mkdir()
    image_sets.write_set(folder / "datasets" / "tetrominoes", "tetrominoes_train", 40)
    for seed, name in enumerate(("recordings", "other_recordings")):
        (folder / name).mkdir()
        _write_gif(folder / name / "walk.gif", seed)
    _write_mp4(folder / "clip.mp4")
    np.save(folder / "clip.npy", next(make_clips(1, 0, frames=4, size=24))["video"][None])
    return folder


def _write_gif(path, seed):
    video = next(make_clips(1, seed, frames=16, size=32))["video"]
    first, *others = map(Image.fromarray, video)
    first.save(path, save_all=True, append_images=others)


def _write_mp4(path):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 24, 24, "yuv420p"
        for image in next(make_clips(1, 0, frames=9, size=24))["video"]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def shell(user_folder, renders):
    return Shell(user_folder, renders)


@pytest.fixture
def here(shell, monkeypatch):
    """The user's folder as the current one."""
    monkeypatch.chdir(shell.folder)
    monkeypatch.syspath_prepend(str(shell.folder))
    shell.run(TRAINED)
    yield shell.folder
    gin.clear_config()


def test_every_command_is_classified():
    unknown = [
        f"{page}: {shlex.join(words)}"
        for page, words in all_commands()
        if reason(SHORTENED, shlex.join(words)) is None and reason(LEFT_OUT, shlex.join(words)) is None
    ]
    assert not unknown, "Say in SHORTENED or LEFT_OUT how these run in the test: " + "; ".join(unknown)


def test_the_tables_hold_nothing_that_no_page_says():
    told = [shlex.join(words) for _, words in all_commands()]
    for pattern, _ in (*SHORTENED, *LEFT_OUT):
        assert any(re.match(pattern, text) for text in told), pattern


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_what_a_page_says_runs(page, here, shell):
    names = {"video": np.zeros([1, 4, 24, 24, 3], np.float32), "other_video": np.ones([1, 4, 24, 24, 3], np.float32)}
    for block in blocks(page):
        if block.name:
            pathlib.Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            if not any(re.search(pattern, block.text) for pattern, _ in LEFT_OUT_PYTHON):
                exec(compile("\n" * block.line + block.text, page, "exec"), names)
        else:
            for words in map(_plain, commands(block)):
                shell.run(words)


class Shell:
    """Runs commands in a folder, each once, whichever pages tell it."""

    def __init__(self, folder, renders):
        self.folder = folder
        self._renders = renders
        self._done = set()

    def run(self, words):
        """A command of Python runs in this process, which saves the seconds that TensorFlow takes to load."""
        text = shlex.join(words)
        if text in self._done or reason(LEFT_OUT, text) or ("make_dataset.py" in text and not self._renders):
            return
        self._done.add(text)
        words = [*words, *reason(SHORTENED, text)]
        if "benchmark.py" in text:
            hurry()
        if "make_dataset.py" in text:
            # Under `datasets/` lie the stand-ins of what other pages read, rendered or not.
            words = [word.replace("--out=datasets/", "--out=rendered/") for word in words]
        if words[:2] == ["python", "-m"]:
            main = importlib.import_module(words[2]).main
            ended(lambda: main(words[3:]))
        elif words[0] == "python":
            main = tool(words[1]).main
            ended(lambda: main(words[2:]))
        else:
            program = pathlib.Path(sys.executable).parent / words[0]
            done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def ended(main):
    """Calls a command as `python` would and demands the exit code 0."""
    codes = []
    try:
        command.run(lambda: codes.append(main()))
    except SystemExit as left:
        codes = [left.code]
    assert codes in ([None], [0])


def hurry():
    """One round of a twentieth of a second where the benchmark takes several of seconds."""
    reading, serving = tool("tools/input_rates.py"), tool("tools/serving_rates.py")
    reading._ROUNDS, reading._SECONDS, reading._SETTLING_SECONDS = 1, 0.05, 0.05
    if not isinstance(serving.measure, functools.partial):
        serving.measure = functools.partial(serving.measure, rounds=1, seconds=0.05)


@functools.cache
def tool(path):
    name = pathlib.Path(path).stem
    return load_tool(name)
