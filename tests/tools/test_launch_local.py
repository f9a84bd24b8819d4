"""The launcher, with stand-ins for the workers; real ones train in tests/test_train_workers.py."""

import json
import signal
import sys
import threading
import time

import pytest

from simone_tf.errors import UserError

from loaded_tool import load_tool


@pytest.fixture(scope="module")
def tool():
    return load_tool("launch_local")


def python(text):
    return [sys.executable, "-c", f"import json, os, signal, socket, sys, time\n{text}"]


INDEX = "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"


def run(tool, text, count=2, is_isolated=False):
    job = tool.Job(count, python(INDEX + text), is_isolated)
    job.start()
    return job, tool.wait_for_end(job)


def test_every_worker_knows_all_and_itself_and_its_lines_bear_its_number(tool, capsys):
    _, code = run(tool, "print(os.environ['TF_CONFIG'])\nprint('to stderr', file=sys.stderr)", count=3)
    assert code == 0
    shown = capsys.readouterr()
    configs = {line[:4]: json.loads(line[4:]) for line in shown.out.splitlines()}
    assert sorted(configs) == ["[0] ", "[1] ", "[2] "]
    (addresses,) = {tuple(config["cluster"]["worker"]) for config in configs.values()}
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    assert [configs[f"[{index}] "]["task"] for index in range(3)] == [
        {"type": "worker", "index": index} for index in range(3)
    ]
    assert sorted(shown.err.splitlines()) == [f"[{index}] to stderr" for index in range(3)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sys.exit(index)", 1),
        ("sys.exit(2 * (index == 0))", 2),
        ("os.kill(os.getpid(), signal.SIGKILL) if index else sys.exit(1)", 137),
    ],
)
def test_the_greatest_exit_code_is_returned(tool, text, code, capsys):
    assert run(tool, text)[1] == code
    assert f"ended with exit code {code}." in capsys.readouterr().err


def test_others_that_do_not_end_after_a_failure_are_ended(tool, monkeypatch):
    monkeypatch.setattr(tool, "_ENDING", 0.5)
    monkeypatch.setattr(tool, "_ASKED", 0.5)
    text = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif index: sys.exit(3)\ntime.sleep(600)"
    job, code = run(tool, text)
    assert code == 137
    assert all(process.poll() is not None for process in job.processes)


def test_the_first_signal_is_handed_on_and_the_second_kills(tool, capsys):
    text = """
def told(number, frame):
    print("told", number, flush=True)
    if index: sys.exit(128 + number)
signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
while True: time.sleep(0.05)
"""
    shown = []

    def press():
        for awaited in ("[0] ready", "[1] ready", "[0] told 15", "[1] told 15"):
            while awaited not in "".join(shown):
                shown.append(capsys.readouterr().out)
                time.sleep(0.02)
            if awaited == "[1] ready":
                signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    presser = threading.Thread(target=press)
    presser.start()
    job, code = run(tool, text)
    presser.join()
    assert code == 143
    assert sorted(process.returncode for process in job.processes) == [-signal.SIGKILL, 143]


def test_a_network_of_their_own_has_only_the_loopback_interface(tool, capsys):
    if not tool.can_isolate():
        pytest.skip("the system gives processes no network of their own")
    text = """
address = json.loads(os.environ['TF_CONFIG'])['cluster']['worker'][0].split(':')
if index == 0:
    server = socket.create_server((address[0], int(address[1])))
    server.accept()[0].sendall(b'hello')
else:
    for _ in range(200):
        try:
            print(socket.create_connection((address[0], int(address[1]))).recv(5).decode())
            break
        except OSError:
            time.sleep(0.05)
    print([name for _, name in socket.if_nameindex() if name != 'lo'])
"""
    _, code = run(tool, text, is_isolated=True)
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1] hello"
    assert lines[1] == "[1] []"


def test_mistakes(tool, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match=r"--gin_file=a\.gin is no flag of this tool: put -- before the arguments"):
        tool.main(["--workers=2", "--gin_file=a.gin", "--run_dir=b"])
    for count in (1, 65):
        with pytest.raises(UserError, match=f"--workers={count}: choose a number from 2 to 64"):
            tool.main([f"--workers={count}", "--", "--run_dir=x"])
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(UserError, match="TF_CONFIG is set"):
        tool.main(["--workers=2"])
