"""The sweep, with a stand-in for the two commands that it starts."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest

from simone_tf.errors import UserError

from loaded_tool import load_tool

ROOT = pathlib.Path(__file__).parents[2]
STAND_IN = """
import json, os, pathlib, sys, time
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
    if run.name == os.environ.get("TOLD_TO_END"):  # It saves, and exits with 0.
        sys.exit(0)
    (run / "metrics.json").write_text(json.dumps({"step": 3}))
    (run / "best").mkdir(exist_ok=True)
    (run / "best" / "best.json").write_text(json.dumps({"step": 2}))
else:
    time.sleep(0.02)
    given = [flag for flag in flags if not flag.startswith("--run_dir")]
    step = 2 if "--best" in given else 3
    (folder / "metrics.json").write_text(json.dumps({"run": {"step": step, "flags": given}}))
"""


@pytest.fixture(scope="module")
def tool():
    return load_tool("sweep")


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
    assert tool.is_evaluated(str(tmp_path / "runs" / "seed_0"), ["--best"])
    (tmp_path / "calls").unlink()
    checkpoint = tmp_path / "runs" / "seed_1" / "checkpoints" / "checkpoint"
    later = time.time_ns() + 10**9
    os.utime(checkpoint, ns=(later, later))
    sweep().run([0, 1])
    assert [call[0] for call in calls(tmp_path)] == ["simone_tf.train", "simone_tf.train", "simone_tf.evaluate"]
    assert "seed_1" in calls(tmp_path)[-1][2]


def test_an_evaluation_of_another_kind_does_not_count(sweep, tool, tmp_path):
    sweep().run([0])
    run_dir = str(tmp_path / "runs" / "seed_0")
    assert not tool.is_evaluated(run_dir, [])
    assert not tool.is_evaluated(run_dir, ["--best", "--num_clips=3"])
    metrics = tmp_path / "runs" / "seed_0" / "evaluation" / "metrics.json"
    for text in (json.dumps({"run": {"step": 1, "flags": ["--best"]}}), '{"run": 3}', "[]", "{", "{}"):
        metrics.write_text(text)
        assert not tool.is_evaluated(run_dir, ["--best"]), text
    metrics.write_text(json.dumps({"run": {"step": 2, "flags": ["--best"]}}))
    assert tool.is_evaluated(run_dir, ["--best"])


@pytest.fixture(scope="module")
def finished(run, tmp_path_factory):
    """A sweep's folder with a run that is trained to its last step, 6; its gin file."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(run, folder / "runs" / "seed_0")
    gin_file = folder / "tiny.gin"
    shutil.copy(run / "config.gin", gin_file)
    return folder, gin_file


def test_a_run_at_its_last_step_is_left_alone(tool, finished, stand_in, capsys, tmp_path):
    folder, gin_file = finished
    runs = shutil.copytree(folder / "runs", tmp_path / "runs")

    def everything():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in runs.rglob("*") if path.is_file()}

    def sweep(*params, flags=()):
        capsys.readouterr()
        (tmp_path / "calls").write_text("")
        tool.Sweep(str(runs), [str(gin_file)], params, flags, program=stand_in).run([0])
        return [call[0] for call in calls(tmp_path)], capsys.readouterr().out

    before = everything()
    made, said = sweep()
    assert made == ["simone_tf.evaluate"]
    assert "seed 0: trained already (step 6)\n" in said
    assert "training in" not in said
    evaluation = {
        path: file for path, file in everything().items() if "evaluation" in path.parts or path.suffix == ".log"
    }
    assert {path: file for path, file in everything().items() if path not in evaluation} == before
    # The stand-in wrote step 3.
    metrics = runs / "seed_0" / "evaluation" / "metrics.json"
    metrics.write_text(json.dumps({"run": {"step": 6, "flags": []}}))
    assert sweep() == ([], "seed 0: trained already (step 6), evaluated already\n")
    assert sweep(flags=["--num_clips=2"])[0] == ["simone_tf.evaluate"]


def test_a_sweep_that_is_done_does_nothing(finished, tmp_path):
    folder, gin_file = finished
    runs = shutil.copytree(folder / "runs", tmp_path / "runs")
    (runs / "seed_0" / "evaluation").mkdir()
    (runs / "seed_0" / "evaluation" / "metrics.json").write_text(json.dumps({"run": {"step": 6, "flags": []}}))
    command = [sys.executable, str(ROOT / "tools" / "sweep.py"), f"--gin_file={gin_file}", f"--sweep_dir={runs}"]
    done = subprocess.run([*command, "--seeds=0"], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0] == "seed 0: trained already (step 6), evaluated already"
    assert "compare them" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in runs.iterdir()] == ["seed_0"]


@pytest.mark.parametrize(
    "change",
    [
        "num_steps = 8",
        "train.batch_size = 3",
        "training/ClipRecords.data_dir = 'elsewhere'",
        "SIMONe.alpha = 2.0",
        "no such thing",
    ],
)
def test_a_run_with_something_left_to_do_is_trained(tool, finished, change):
    folder, gin_file = finished
    run_dir = str(folder / "runs" / "seed_0")
    assert tool.trained_step(run_dir, [str(gin_file)], []) == 6
    assert tool.trained_step(run_dir, [str(gin_file)], [change]) is None


def test_a_run_without_its_last_checkpoint_is_trained(tool, finished, tmp_path):
    folder, gin_file = finished
    copied = shutil.copytree(folder / "runs" / "seed_0", tmp_path / "run")
    (copied / "checkpoints" / "ckpt-6.index").unlink()
    assert tool.trained_step(str(copied), [str(gin_file)], []) is None
    assert tool.trained_step(str(tmp_path / "nowhere"), [str(gin_file)], []) is None
    assert tool.trained_step(str(folder / "runs" / "seed_0"), ["nowhere.gin"], []) is None


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


@pytest.mark.parametrize("trained_before", [False, True])
def test_a_run_that_was_told_to_end_is_not_evaluated(tool, tmp_path, stand_in, monkeypatch, trained_before):
    """Its exit code is 0, as a preempted run is no failed one."""
    run = tmp_path / "seed_1"
    if trained_before:  # to fewer steps than it is to have now
        run.mkdir()
        (run / "metrics.json").write_text('{"step": 2}')
    monkeypatch.setenv("TOLD_TO_END", "seed_1")
    failed = tool.Sweep(str(tmp_path), ["a.gin"], program=stand_in).run([0, 1])
    assert list(failed) == [1]
    assert "told to end before its last step" in failed[1]
    assert not (run / "evaluation").exists()
    assert (tmp_path / "seed_0" / "evaluation").exists()


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


def test_a_long_range_is_refused_before_it_is_written_out(tool):
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="names more than 1,000 seeds"):
            tool.parse_seeds("1-300000")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(tool.parse_seeds("0-999,5,0-3")) == 1000


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
