import numpy as np
import pytest

from loaded_tool import load_tool


@pytest.fixture
def serving_rates():
    return load_tool("serving_rates")


def test_both_do_the_same_work_and_take_turns(serving_rates, run, monkeypatch):
    # Calls per second, round by round: library and export, export and library, library and export.
    told, answers = iter([10, 9, 40, 20, 30, 24]), []

    def measured(call, seconds):
        answers.append(call())
        assert seconds == 0.5
        rate = next(told)
        return rate, 2 / rate

    monkeypatch.setattr(serving_rates, "_measure", measured)
    rates = serving_rates.measure(str(run), batch_size=5, rounds=3, seconds=0.5)
    assert len(answers) == 6
    for answer in answers:
        assert answer.shape == (5, 2, 8, 8)
        np.testing.assert_array_equal(answer, answers[0])
    # 5 clips of 2 frames a call; medians of the rounds.
    assert (rates["library"], rates["export"]) == (200, 240)
    for by in ("clock", "processor"):
        assert rates["shares"][by] == pytest.approx([0.9, 2.0, 0.8])
    assert rates["clip"] == "2 frames of 8x8"
    title, rows = serving_rates.table(rates)
    assert title == "segment: batch of 5, clips of 2 frames of 8x8"
    assert rows[:2] == [("library", "200 frames/s"), ("export", "240 frames/s")]
    assert rows[2] == ("share, by the clock", "0.90 of the library's (rounds: 0.90, 2.00, 0.80)")


def test_a_rate_is_calls_by_time_and_a_cost_time_by_calls(serving_rates, monkeypatch):
    clock = iter([0.0, 0.4, 0.8, 1.2, 1.6])
    monkeypatch.setattr(serving_rates.time, "perf_counter", lambda: next(clock))
    processor = iter([5.0, 8.0])
    monkeypatch.setattr(serving_rates.time, "process_time", lambda: next(processor))
    calls = []
    rate, cost = serving_rates._measure(lambda: calls.append(1), 1.5)
    assert len(calls) == 3
    assert rate == pytest.approx(3 / 1.6)
    assert cost == pytest.approx(3.0 / 3)
