"""What the tool asks of the compiler and makes of its answers; the compiler itself where it is installed."""

import importlib.util
import json
import os
import re
import types

import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.runs.build import build_step
from simone_tf.runs.settings import read_settings
from tools import compile_for_tpu, tpu_compiler

from tiny_run import QUICKSTART, TINY, fails

FLAGS = [f"--gin_file={QUICKSTART}", *(f"--gin_param={binding}" for binding in TINY)]
GIB = 2**30
REFUSED = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory required for HLO "
    "temporaries (20.50G) exceeds available HBM (15.75G). HLO module: jit_simone_step."
)


class Compiler:
    """Stands in for the compiler of a core on which `most` clips fit."""

    def __init__(self, most=10**9):
        self.most = most
        self.asked = []

    def __call__(self, folder, topology, data_parallel):
        with open(f"{folder}/clips", encoding="utf-8") as file:
            clips = int(file.read())
        self.asked.append((clips, topology, data_parallel))
        told = {"kind": "TPU of paper", "devices": 4 if data_parallel else 1, "memory": 16 * GIB, "seconds": 61.4}
        if clips > self.most:
            return told | {"refused": REFUSED}
        sizes = {"argument": GIB, "output": GIB, "alias": GIB, "temp": clips * GIB, "generated_code": GIB // 2}
        return told | sizes | {"flops": clips * 3e9, "collectives": {"all-reduce": 7} if data_parallel else {}}


@pytest.fixture
def not_lowered(monkeypatch):
    """Steps are not built; of one that would be lowered only the number of its clips is written. Gives the step."""
    step = types.SimpleNamespace()

    def write(folder, written, settings):
        assert written is step
        (folder / "clips").write_text(str(settings.batch_size), encoding="utf-8")
        return "a module"

    monkeypatch.setattr(compile_for_tpu, "build_step", lambda strategy, settings: step)
    monkeypatch.setattr(compile_for_tpu, "write_step", write)
    return step


def test_a_line_for_a_compile(not_lowered, capsys):
    compiler = Compiler()
    again = "--gin_param=train.recompute = 'all'"
    compile_for_tpu.main([*FLAGS, again, "--batch_size=6", "--microbatch_size=3"], compiler)
    assert compiler.asked == [(6, "v5e:2x2", False)]
    assert not_lowered.microbatch_size == 3
    head, place, calls, _, names, row, _, last = capsys.readouterr().out.splitlines()
    assert "quickstart.gin: clips of 2 frames of 8x8, 3 at a time, float32, recomputes all" in head
    assert place == "v5e:2x2: 1 x TPU of paper, 16.00 GiB each"
    assert calls == "custom calls: none; calls of the host: none"
    # Arguments, temporaries and program: the results lie where the arguments lay.
    assert dict(zip(re.split(r"  +", names), row.split(), strict=True)) == {
        "clips": "6",
        "arguments MiB": "1024",
        "temporaries MiB": "6144",
        "total MiB": "7680",
        "of memory": "46.9%",
        "GFLOP": "18",
        "compile s": "61",
        "collectives": "none",
    }
    assert "never executed" in last


@pytest.mark.usefixtures("not_lowered")
def test_what_jax_cannot_read_is_a_question_mark(capsys):
    compiler = Compiler()

    def unread(*arguments):
        return compiler(*arguments) | {"flops": None, "collectives": None}

    compile_for_tpu.main([*FLAGS, "--batch_size=6"], unread)
    row = capsys.readouterr().out.splitlines()[5].split()
    assert row[0] == "6"
    assert row[-3:] == ["?", "61", "?"]


@pytest.mark.usefixtures("not_lowered")
def test_the_largest_batch_is_looked_for(capsys):
    compiler = Compiler(most=5)
    compile_for_tpu.main([*FLAGS, "--batch_size=2", "--largest_batch"], compiler)
    assert [clips for clips, *_ in compiler.asked] == [2, 4, 8, 6, 5]
    out = capsys.readouterr().out
    assert "largest batch that fits: 5 clips" in out
    assert "    8  does not fit: 20.50GiB of temporaries alone" in out


@pytest.mark.parametrize("unit", [1, 4])
@pytest.mark.parametrize("first", [4, 16])
@pytest.mark.parametrize("most", [0, 3, 4, 7, 16, 23, 100])
def test_the_search_finds_what_trying_all_would(most, first, unit):
    tried = []

    def fits(clips):
        tried.append(clips)
        return clips <= most

    assert compile_for_tpu.largest_fitting(fits, first, unit) == (most // unit * unit or None)
    assert all(clips % unit == 0 and clips >= 1 for clips in tried)
    assert len(tried) == len(set(tried)) <= 12


@pytest.mark.usefixtures("not_lowered")
def test_a_batch_is_shared_out(capsys):
    compiler = Compiler()
    compile_for_tpu.main([*FLAGS, "--batch_size=8", "--data_parallel"], compiler)
    assert compiler.asked == [(8, "v5e:2x2", True)]
    out = capsys.readouterr().out
    assert "v5e:2x2: 4 x TPU of paper" in out
    assert "7 all-reduce" in out


def test_calls_are_told():
    text = """
    %1 = stablehlo.custom_call @Sharding(%0) : (tensor<2xf32>) -> tensor<2xf32>
    %2 = stablehlo.custom_call @xla_python_cpu_callback(%1) : (tensor<2xf32>) -> tensor<2xf32>
    %3 = "stablehlo.infeed"(%2) : (!stablehlo.token) -> tensor<2xf32>
    """
    custom, host = compile_for_tpu.calls_in(text)
    assert custom == ["Sharding", "xla_python_cpu_callback"]
    assert host == ["xla_python_cpu_callback", "infeed"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--batch_size=0"], "--batch_size=0 is out of range"),
        (["--batch_size=6", "--data_parallel"], "--batch_size=6 cannot be shared by 4 cores"),
        (["--batch_size=4", "--microbatch_size=3"], "--microbatch_size=3 does not divide --batch_size=4"),
        (["--batch_size=4", "--microbatch_size=1", "--data_parallel"], "leave out --data_parallel"),
    ],
)
def test_mistakes_are_one_sentence(flags, words, capsys):
    assert words in fails(capsys, [*FLAGS, *flags], lambda argv: compile_for_tpu.main(argv, Compiler()))


@pytest.mark.usefixtures("not_lowered")
def test_a_step_that_fits_nowhere_is_told(capsys):
    flags = [*FLAGS, "--batch_size=1", "--largest_batch"]
    told = fails(capsys, flags, lambda argv: compile_for_tpu.main(argv, Compiler(most=0)))
    assert "Of v5e:2x2 a core has too little memory for a batch of 1" in told


def test_what_is_not_installed_is_told(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "libtpu" else find(name, *rest)
    )
    told = fails(capsys, FLAGS, compile_for_tpu.main)
    assert "--topology=v5e:2x2 needs libtpu, not installed here: pip install jax libtpu" in told


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (
            'print("{\\"refused\\": \\"INTERNAL: no such core\\"}")',
            0,
            r"cannot compile the step \(INTERNAL: no such core\)",
        ),
        ('raise SystemExit("it is gone")', 1, r"ended with code 1 \(it is gone\)"),
    ],
)
def test_a_compiler_that_fails_otherwise_is_told(answer, code, words, monkeypatch, tmp_path):
    program = tmp_path / "compiler.py"
    program.write_text(answer, encoding="utf-8")
    monkeypatch.setattr(compile_for_tpu, "COMPILER", program)
    with pytest.raises(UserError, match=words):
        compile_for_tpu.compile_folder(str(tmp_path), "v5e:2x2", False)


def test_the_compiler_asks_nobody_what_machine_it_is_on(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    tpu_compiler.set_environment("v6e:2x2")
    assert os.environ["TPU_SKIP_MDS_QUERY"] == "1"
    assert os.environ["TPU_ACCELERATOR_TYPE"] == "v6e-4"
    assert os.environ["JAX_PLATFORMS"] == "cpu"
    assert set(tpu_compiler.ACCELERATORS) | {"cpu"} == set(compile_for_tpu.TOPOLOGIES)


@pytest.fixture(scope="module")
def step():
    """A step that recomputes, and its settings."""
    settings = read_settings([str(QUICKSTART)], [*TINY, "batch_size = 4", "train.recompute = 'all'"])
    return build_step(tf.distribute.get_strategy(), settings), settings


@pytest.fixture(scope="module")
def written(step, tmp_path_factory):
    """The folder of the step, and its text."""
    folder = tmp_path_factory.mktemp("written")
    return folder, compile_for_tpu.write_step(folder, *step)


def test_a_step_is_written_with_its_signature(written):
    folder, text = written
    signature = json.loads((folder / "signature.json").read_text(encoding="utf-8"))
    assert signature["inputs"] == [{"shape": [4, 2, 8, 8, 3], "dtype": "uint8"}]
    (head,) = re.findall(r"func\.func @main\((.*?)\) -> ", text)
    arguments = re.findall(r"%arg\d+: tensor<([^>]*)>", head)
    kinds = {"uint8": "ui8", "float32": "f32", "int32": "i32", "int64": "i64"}
    assert arguments == [
        "x".join([*map(str, one["shape"]), kinds[one["dtype"]]]) for one in (*signature["inputs"], *signature["state"])
    ]
    assert compile_for_tpu.calls_in(text) == ([], [])


def test_microbatches_are_part_of_the_step(step, written, tmp_path):
    made, settings = step
    made.microbatch_size = 2
    text = compile_for_tpu.write_step(tmp_path, made, settings)
    assert text.count("stablehlo.while") > written[1].count("stablehlo.while")


@pytest.mark.parametrize("topology", ["cpu", "v5e:2x2"])
def test_it_is_compiled(topology, written):
    pytest.importorskip("jax")
    if topology != "cpu":
        pytest.importorskip("libtpu", exc_type=ImportError)
    told = compile_for_tpu.compile_folder(str(written[0]), topology, topology != "cpu")
    assert 10**5 < told["argument"] + told["temp"] < 10**8
    assert told["seconds"] > 0
    if topology != "cpu":
        assert (told["kind"], told["devices"]) == ("TPU v5 lite", 4)
        assert told["memory"] == 15.75 * GIB
        assert told["collectives"]["all-reduce"] >= 1
