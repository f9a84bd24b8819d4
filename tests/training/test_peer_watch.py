"""Whether peers are there: real sockets of this process stand for them."""

import socket
import threading
import time

import pytest

from simone_tf.training import peer_watch
from simone_tf.training.peer_watch import PeerWatch, answers, first_gone, wait_for


@pytest.fixture
def hurried(monkeypatch):
    for name, seconds in (("_PAUSE", 0.05), ("_PATIENCE", 0.5), ("_GRACE", 0.1), ("_TELL_AFTER", 0.1)):
        monkeypatch.setattr(peer_watch, name, seconds)


@pytest.fixture
def peer():
    """A socket that listens, and its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield listening, f"127.0.0.1:{listening.getsockname()[1]}"


def until(condition, seconds=30.0):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds
        time.sleep(0.01)


def test_answers(peer):
    listening, address = peer
    assert answers(address)
    listening.close()
    assert not answers(address)
    assert not answers("no-such-host.invalid:1")


def test_peers_that_are_there_are_not_waited_for(peer):
    begin = time.monotonic()
    assert wait_for({1: peer[1]}, 60.0) is None
    assert time.monotonic() - begin < 30


def test_a_peer_that_never_comes_is_named_in_time(hurried, peer, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        absent = f"127.0.0.1:{free.getsockname()[1]}"
    assert wait_for({1: peer[1], 2: absent}, 0.4) == 2
    assert capsys.readouterr().out == f"Waiting for worker 2 ({absent}).\n"


def test_a_peer_that_is_gone_is_told_once(hurried, peer):
    listening, address = peer
    gone = []
    watch = PeerWatch({3: address}, gone.append)
    watch.start()
    assert first_gone({3: address}) is None
    time.sleep(0.3)
    assert gone == []
    listening.close()
    until(lambda: gone)
    assert first_gone({3: address}) == 3
    time.sleep(0.3)
    assert gone == [3]
    watch.stop()


def test_who_leaves_after_the_end_is_not_missed(hurried, peer):
    listening, address = peer
    gone = []
    watch = PeerWatch({3: address}, gone.append)
    watch.start()
    watch.stop()
    listening.close()
    time.sleep(0.4)
    assert gone == []


def test_one_that_was_killed_may_answer_for_a_moment(hurried, peer):
    listening, address = peer
    closing = threading.Timer(0.3, listening.close)
    closing.start()
    assert first_gone({3: address}) is None
    assert first_gone({3: address}, 30.0) == 3
    closing.join()
