"""The sweep, with a stand-in for the two commands that it starts."""

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from simone_tf.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]
STAND_IN = """
import os, pathlib, sys, time
module, flags = sys.argv[2], sys.argv[3:]
run = pathlib.Path(next(flag for flag in flags if flag.startswith("--run_dir=")).partition("=")[2])
calls = pathlib.Path(os.environ["CALLS"])
with open(calls, "a") as file:
    file.write(" ".join([module, os.environ.get("CUDA_VISIBLE_DEVICES", "none"), *flags]) + "\\n")
if run.name == os.environ.get("FAILS") and module.endswith(os.environ.get("FAILS_IN", "train")):
    print("some talk\\nError: there is not enough memory.", file=sys.stderr)
    sys.exit(2)
if os.environ.get("HANGS"):
    try:
        import signal
        signal.signal(signal.SIGTERM, lambda *_: (open(calls, "a").write("told to end\\n"), sys.exit(143)))
        calls.with_suffix(".hangs").touch()
        time.sleep(60)
    finally:
        pass
folder = run / ("checkpoints" if module == "simone_tf.train" else "evaluation")
folder.mkdir(parents=True, exist_ok=True)
if module == "simone_tf.train":
    if not (folder / "checkpoint").exists():
        (folder / "checkpoint").write_text("")
else:
    time.sleep(0.02)
    (folder / "metrics.json").write_text("{}")
"""


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("sweep", ROOT / "tools" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return (sys.executable, str(script))


def calls(tmp_path):
    return [line.split(" ", 2) for line in (tmp_path / "calls").read_text().splitlines()]


@pytest.fixture
def sweep(tool, tmp_path, stand_in):
    (tmp_path / "runs").mkdir()

    def make(**named):
        return tool.Sweep(str(tmp_path / "runs"), ["a.gin"], ["num_steps = 3"], ["--best"], program=stand_in, **named)

    return make


def test_every_seed_is_trained_and_evaluated(sweep, tmp_path):
    assert sweep().run([0, 7]) == {}
    assert [call[:2] for call in calls(tmp_path)] == [["simone_tf.train", "none"], ["simone_tf.evaluate", "none"]] * 2
    for seed, (train, evaluate) in zip((0, 7), zip(*[iter(calls(tmp_path))] * 2, strict=True), strict=True):
        run_dir = f"--run_dir={tmp_path / 'runs' / f'seed_{seed}'}"
        assert train[2] == f"--gin_file=a.gin --gin_param=num_steps = 3 --gin_param=train.seed = {seed} {run_dir}"
        assert evaluate[2] == f"{run_dir} --best"


def test_a_finished_evaluation_is_not_repeated_until_there_is_a_new_checkpoint(sweep, tool, tmp_path):
    sweep().run([0, 1])
    assert tool.is_evaluated(str(tmp_path / "runs" / "seed_0"))
    (tmp_path / "calls").unlink()
    checkpoint = tmp_path / "runs" / "seed_1" / "checkpoints" / "checkpoint"
    later = time.time_ns() + 10**9
    os.utime(checkpoint, ns=(later, later))
    sweep().run([0, 1])
    assert [call[0] for call in calls(tmp_path)] == ["simone_tf.train", "simone_tf.train", "simone_tf.evaluate"]
    assert "seed_1" in calls(tmp_path)[-1][2]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_seed_that_fails_is_told_and_the_others_go_on(sweep, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("FAILS", "seed_1")
    monkeypatch.setenv("FAILS_IN", command)
    failed = sweep().run([0, 1, 2])
    assert failed == {1: f"simone_tf.{command} ended with exit code 2: there is not enough memory."}
    assert "seed 1 failed" in capsys.readouterr().err
    done = {path.parent.parent.name for path in (tmp_path / "runs").glob("*/evaluation/metrics.json")}
    assert done == {"seed_0", "seed_2"}
    assert "some talk" in (tmp_path / "runs" / "seed_1.log").read_text()


def test_each_device_has_its_own_process(sweep, tmp_path):
    assert sweep(devices=["0", "3"]).run(range(6)) == {}
    made = calls(tmp_path)
    assert len(made) == 12
    assert {call[1] for call in made} == {"0", "3"}
    for seed in range(6):
        assert len({call[1] for call in made if f"seed_{seed}" in call[2]}) == 1


def test_ending_a_sweep_ends_its_runs_in_order(tmp_path, stand_in):
    program = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('sweep', {str(ROOT / 'tools' / 'sweep.py')!r})\n"
        "tool = importlib.util.module_from_spec(spec); spec.loader.exec_module(tool)\n"
        f"sweep = tool.Sweep({str(tmp_path)!r}, ['a.gin'], program={stand_in!r})\n"
        "tool.command.run(lambda: sweep.run([0, 1]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "HANGS": "1"}, stderr=subprocess.PIPE
    )
    for _ in range(600):
        if (tmp_path / "calls.hangs").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"goes on from there" in errors
    made = (tmp_path / "calls").read_text()
    assert made.count("simone_tf.train") == 1
    assert "told to end" in made


def test_the_command_tells_how_many_failed(tool, tmp_path, stand_in, monkeypatch, capsys):
    flags = ["--gin_file=a.gin", f"--sweep_dir={tmp_path / 'runs'}", "--seeds=0-1"]
    monkeypatch.setattr(tool.Sweep.__init__, "__defaults__", (*tool.Sweep.__init__.__defaults__[:-1], stand_in))
    tool.main(flags)
    assert "compare them" in capsys.readouterr().out
    monkeypatch.setenv("FAILS", "seed_1")
    with pytest.raises(UserError, match=r"1 of 2 seeds failed \(1\)"):
        tool.main(flags)


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", [0]), ("3,1", [3, 1]), ("0-3,2,9", [0, 1, 2, 3, 9]), (" 4 , 5", [4, 5])]
)
def test_seeds(tool, text, seeds):
    assert tool.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1", "1-", "5-3", "0-5000", "1.5", "99999999999"])
def test_no_seeds(tool, text):
    with pytest.raises(UserError, match="--seeds="):
        tool.parse_seeds(text)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--gin_file is missing"),
        (["--gin_file=a"], "--sweep_dir is missing"),
        (["--gin_file=a", "--sweep_dir=b", "--devices=0,,1"], "--devices=0,,1 is no list"),
        (["--gin_file=a", "--sweep_dir=b", "--devices=0,0"], "--devices=0,0 is no list"),
    ],
)
def test_mistakes_in_flags(tool, flags, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        tool.main(flags)
    assert not list(tmp_path.iterdir())
