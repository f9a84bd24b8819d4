"""A batch that does not come is told, with what it may be waiting for."""

import time

from simone_tf.training.input_watch import input_watched


def wait_for(told, count):
    end = time.time() + 20
    while len(told) < count and time.time() < end:
        time.sleep(0.01)


def test_a_batch_that_does_not_come_is_told_again_and_again():
    told, since = [], time.time()
    with input_watched(lambda: since, told.append, lambda: ["a", "b", "c", "d"], first_seconds=0.2):
        wait_for(told, 2)
    assert len(told) >= 2
    assert told[0].startswith("The next batch has not come for 0 s; open for reading: a, b, c and 1 more.")
    time.sleep(0.3)
    count = len(told)
    time.sleep(0.3)
    assert len(told) == count  # the thread has ended


def test_batches_that_come_are_not_told():
    told = []
    with input_watched(time.time, told.append, list, first_seconds=0.05):
        time.sleep(0.4)
    with input_watched(lambda: 0.0, told.append, list, first_seconds=0.05):
        time.sleep(0.4)
    assert told == []


def test_each_batch_has_a_clock_of_its_own():
    told, asked = [], [time.time()]
    with input_watched(lambda: asked[0], told.append, list, first_seconds=0.4):
        wait_for(told, 1)
        asked[0] = 0.0
        time.sleep(0.3)
        asked[0] = time.time()
        wait_for(told, 2)
    assert all("for 0 s; no data file is open" in sentence for sentence in told[:2])
