"""One owner at a time, told by name, whose lock ends with it."""

import errno
import fcntl
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest

from simone_tf import locks
from simone_tf.errors import UserError

from lock_owner import owner_of, python


def held(path, **keywords):
    return locks.held(str(path), "The thing is being made", "make another", **keywords)


def refusal(path, **keywords):
    with pytest.raises(UserError) as caught, held(path, **keywords):
        pass
    return str(caught.value)


def is_locked(path):
    """Asked of the system, by a process of its own."""
    code = """
import fcntl, sys
with open(sys.argv[1], "rb") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("free")
    except BlockingIOError:
        print("locked")
"""
    with python(code, path) as process:
        return {"locked\n": True, "free\n": False}[process.communicate()[0]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".thing.lock"


def test_the_second_is_told_who_holds_it_and_how_to_go_on(path):
    before = time.time()
    with owner_of(path) as owner:
        told = refusal(path)
        assert told.startswith(f"The thing is being made by process {owner.pid} on host {socket.gethostname()} since ")
        since = re.search(r"since ([-\d]{10} [:\d]{8}) UTC: wait until it has ended, or make another;", told)
        begin, now = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) for moment in (before, time.time()))
        assert begin <= since[1] <= now
        assert "if it is dead, its lock is gone with it" in told
        assert f"fuser {path}" in told
        assert "\n" not in told
        owner.communicate("go on\n")
        with held(path):
            assert is_locked(path)
    assert not path.exists()


def test_a_lock_dies_with_a_killed_owner(path):
    with owner_of(path) as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert json.loads(path.read_bytes())["process"] == owner.pid
        with held(path):
            assert json.loads(path.read_bytes())["process"] == os.getpid()
            assert str(os.getpid()) in refusal(path)


def test_a_stopped_owner_still_holds_it(path):
    with owner_of(path) as owner:
        owner.send_signal(signal.SIGSTOP)
        assert f"process {owner.pid} " in refusal(path)


def test_threads_of_one_process_exclude_each_other(path):
    inside, most, refused = [], [], []

    def work():
        for _ in range(20):
            try:
                with held(path, wait_seconds=30):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.0005)
                    inside.pop()
            except UserError as error:
                refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not refused
    assert most == [1] * 80
    assert not path.exists()


def test_a_thread_that_is_refused_does_not_release_the_lock(path):
    with held(path):
        told = []
        thread = threading.Thread(target=lambda: told.append(refusal(path)))
        thread.start()
        thread.join()
        assert f"process {os.getpid()} " in told[0]
        assert is_locked(path)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_neither_keeps_nor_releases_the_lock(path):
    """A fork that outlives its killed parent must not go on holding, one that leaves the block must not give back."""
    code = """
import os, sys, time
from simone_tf.locks import held
with held(sys.argv[1], "a thing is being made", "make another"):
    if sys.argv[2] == "ends" and os.fork() == 0:
        raise SystemExit
    if sys.argv[2] == "stays" and os.fork() == 0:
        os.close(1)
        time.sleep(60)
    if sys.argv[2] == "ends":
        assert os.wait()[1] == 0
    print("held", flush=True)
    sys.stdin.readline()
"""
    with python(code, path, "ends") as owner:
        assert owner.stdout.readline() == "held\n"
        assert path.exists()
        assert f"process {owner.pid} " in refusal(path)
    with python(code, path, "stays") as owner:
        assert owner.stdout.readline() == "held\n"
        child = int(pathlib.Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text())
        try:
            assert is_locked(path)
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            os.kill(child, 0)
            assert not is_locked(path)
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_a_pool_starts_do_not_hold_it(path, method):
    with multiprocessing.get_context(method).Pool(1) as pool, held(path):
        assert pool.apply(os.getpid) != os.getpid()
        with multiprocessing.get_context(method).Pool(1) as second:
            second.apply(os.getpid)
            assert is_locked(path)
            handles = [fd for fd in os.listdir(f"/proc/{second._pool[0].pid}/fd")]
            targets = [os.readlink(f"/proc/{second._pool[0].pid}/fd/{fd}") for fd in handles]
            assert str(path) not in targets


def test_it_waits_for_an_owner(path):
    with owner_of(path) as owner:
        timer = threading.Timer(0.3, lambda: owner.communicate("go on\n"))
        timer.start()
        begin = time.monotonic()
        with held(path, wait_seconds=20):
            assert 0.2 < time.monotonic() - begin < 15
        timer.join()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"{",
        b"[1]",
        b"[" * 5000,
        b'{"process": 1}',
        b'{"process": "1", "host": "a", "since": "b"}',
        b'{"process": true, "host": "a", "since": "b"}',
        b'{"process": 7, "host": "a\\u001b[2J", "since": "b"}',
    ],
)
def test_a_file_of_any_content_holds_nobody_up_and_is_not_quoted(path, content, monkeypatch):
    monkeypatch.setattr(locks, "OWNER_SECONDS", 0.05)
    path.write_bytes(content)
    with held(path):
        path.write_bytes(content)
        assert refusal(path).startswith("The thing is being made by another process: wait")


def test_the_name_of_the_owner_before_is_not_told(path):
    """Between locking and writing, an owner's file names the one before, who is dead."""
    with python("") as dead:
        dead.communicate()
    said = json.dumps({"process": dead.pid, "host": socket.gethostname(), "since": "then"})
    with held(path):
        mine = path.read_text()
        path.write_text(said)
        threading.Timer(0.2, lambda: path.write_text(mine)).start()
        assert f"process {os.getpid()} " in refusal(path)


def test_folders_that_are_missing_are_made_and_taken_back(tmp_path):
    path = tmp_path / "a" / "b" / ".thing.lock"
    with held(path):
        assert path.exists()
    assert os.listdir(tmp_path) == []
    with held(path):
        (tmp_path / "a" / "result").touch()
    assert os.listdir(tmp_path / "a") == ["result"]
    (tmp_path / "mine").mkdir()
    with held(tmp_path / "mine" / ".thing.lock"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_nothing_outside_is_written(tmp_path, path):
    outside = tmp_path / "outside"
    outside.write_text("kept")
    path.symlink_to(outside)
    with pytest.raises(OSError, match="symbolic"), held(path):
        pass
    assert outside.read_text() == "kept"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"), held(path):
        pass
    assert not locks._OPEN


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
def test_where_the_file_system_has_no_locks_it_says_so(path, monkeypatch, capsys, code):
    def refuse(handle, flags):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with held(path):
        pass
    told = f"{path.parent} cannot be locked ({os.strerror(code)}): see to it that one process at a time writes there.\n"
    assert capsys.readouterr().err == told


def test_an_error_inside_gives_the_lock_back(path):
    with pytest.raises(KeyboardInterrupt), held(path):
        raise KeyboardInterrupt
    assert not path.exists()
    assert not locks._OPEN


def test_a_lock_file_that_was_given_back_is_not_locked_again(path, monkeypatch):
    """Between its opening and its locking by the second, the first removes the file: a third could make a new one."""
    flock, opened = fcntl.flock, []

    def late(handle, flags):
        if not opened:
            opened.append(os.fstat(handle).st_ino)
            os.rename(path, path.with_name("old"))
        flock(handle, flags)

    monkeypatch.setattr(fcntl, "flock", late)
    with held(path):
        assert path.stat().st_ino != opened[0]
        assert is_locked(path)


def test_where_locks_lie(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert locks.inside(tmp_path / "link", "train") == str(tmp_path / "real" / ".train.lock")
    assert locks.beside(tmp_path / "link") == locks.beside(tmp_path / "real") == str(tmp_path / ".real.lock")
