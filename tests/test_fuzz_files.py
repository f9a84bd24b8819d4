"""A short run of `fuzz_files.py`, and that it finds what it is there for."""

import numpy as np
import pytest

from fuzz_files import SUBJECTS, fault_of, fuzz
from fuzz_mutations import MUTATIONS
from fuzz_subjects import ANY, COUNT, EXACT

WHOLE = {"outcome": "read", "count": 3, "sum": "a", "said": "", "peak_mib": 100}


@pytest.mark.slow
def test_damaged_files_of_every_kind_are_told(tmp_path):
    results = list(fuzz(tmp_path, 3 * len(SUBJECTS), seed=7, seconds=10, subjects=tuple(SUBJECTS)))
    assert {subject for _, subject, *_ in results} == set(SUBJECTS)
    assert [result for result in results if result[-1]] == []
    assert sum(found["outcome"] == "refused" for *_, found, _ in results) > len(SUBJECTS)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutations_change_files_of_any_length_and_can_be_repeated(mutation):
    for length in (4, 40, 5000):
        content = np.random.default_rng(length).bytes(length)
        made = [mutation(content, np.random.default_rng([seed, 1])) for seed in (0, 0, 1, 2, 3, 4, 5)]
        assert made[0] == made[1]
        assert any(other != content for other in made)


@pytest.mark.parametrize(
    ("promise", "found", "words"),
    [
        (EXACT, {}, ""),
        (EXACT, {"sum": "b"}, "as something else"),
        (EXACT, {"sum": "b", "said": "left out one"}, ""),
        (COUNT, {"sum": "b"}, ""),
        (COUNT, {"count": 2}, "in silence"),
        (COUNT, {"count": 2, "said": "left out one"}, ""),
        (ANY, {"count": 2}, ""),
        (ANY, {"warning": "x"}, "warning"),
        (ANY, {"peak_mib": 9000}, "memory"),
        (ANY, {"outcome": "refused", "text": "x is damaged or cut off: copy it again."}, ""),
        (ANY, {"outcome": "refused", "text": "Damaged\nhere and there, at the end."}, "not one sentence"),
        (ANY, {"outcome": "traceback", "text": "KeyError"}, "KeyError"),
        (ANY, {"outcome": "hang", "text": "no answer"}, "hang"),
    ],
)
def test_faults_are_seen(promise, found, words):
    fault = fault_of(promise, WHOLE, WHOLE | found)
    assert words in fault
    assert bool(words) == bool(fault)
