"""Damages files of every kind that the library reads and sees what it says: no traceback, no hang, no silent loss.

    python tests/fuzz_files.py --num_files=2000 --work_dir=damaged

The same seed damages the same files in the same way. Every fault is printed with the number of its file; with
`--only=NUMBER` that file alone is made and read again, and kept in `--work_dir`. The exit code is 1 if there was one.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from fuzz_mutations import MUTATIONS
from fuzz_runs import checkpoints, exports, records
from fuzz_subjects import COUNT, EXACT
from fuzz_videos import animations, containers, masks, pictures, tables

HERE = pathlib.Path(__file__).parent

SUBJECTS = {
    subject.name: subject
    for subject in (
        *containers(),
        *animations(),
        *pictures(),
        masks(),
        *tables(),
        *records(),
        *checkpoints(),
        *exports(),
    )
}
"""Name -> `Subject`."""

MOST_MIB = 3000
"""More resident memory than this for files of a few kilobytes is a size that was believed."""


class Worker:
    """The process that reads; started anew after a crash or a hang."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._process = None

    def read(self, subject: str, folder: pathlib.Path) -> dict:
        """What came of reading; "hang" or "crash" where no answer came."""
        is_new = self._process is None
        if is_new:
            self._start()
        request = json.dumps({"subject": subject, "folder": str(folder)}) + "\n"
        try:
            self._process.stdin.write(request.encode())
            self._process.stdin.flush()
            answered = self._wait(60 if is_new else 0)
        except BrokenPipeError:
            answered = True
        if not answered:
            self.close()
            return {"outcome": "hang", "text": f"no answer within {self._seconds} s"}
        line = os.read(self._answers, 2**20)
        if not line:
            code = self._process.wait()
            self.close()
            return {"outcome": "crash", "text": f"the process ended with {code}"}
        while not line.endswith(b"\n"):
            line += os.read(self._answers, 2**20)
        return json.loads(line)

    def _wait(self, more: float) -> bool:
        """Whether an answer came in time: so many seconds of the processor, or ten times as many on the clock.

        The clock alone would call a busy machine a hang.
        """
        begin, used = time.monotonic(), self._processor_seconds()
        while not select.select([self._answers], [], [], 0.5)[0]:
            if self._processor_seconds() - used > self._seconds + more:
                return False
            if time.monotonic() - begin > 10 * self._seconds + more:
                return False
        return True

    def _processor_seconds(self) -> float:
        try:
            fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            os.close(self._answers)
            self._process = None

    def _start(self) -> None:
        self._answers, theirs = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "fuzz_worker.py"), str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )
        os.close(theirs)


def fault_of(promise: str, whole: dict, found: dict, may_begin_late: int = 0) -> str:
    """What is wrong with how a damaged file was read, "" where nothing is; see `Subject`."""
    outcome = found["outcome"]
    if outcome in ("traceback", "hang", "crash"):
        return f"{outcome}: {found['text']}"
    if "warning" in found:
        return f"a Python warning leaks: {found['warning']}"
    if found["peak_mib"] > MOST_MIB:
        return f"{found['peak_mib']} MiB of memory"
    if outcome == "refused":
        text = found["text"]
        if "\n" in text or not 20 < len(text) < 900 or not re.search(r"[.)?]$", text):
            return f"not one sentence: {text!r}"
        return ""
    if found["said"].strip() or promise not in (EXACT, COUNT):
        return ""
    if promise == EXACT and found["sum"] != whole["sum"]:
        return f"read in silence as something else ({found['count']} of {whole['count']} parts)"
    if found["count"] < whole["count"] - may_begin_late:
        return f"{found['count']} of {whole['count']} frames or clips in silence"
    return ""


def damage(subject: str, whole: pathlib.Path, folder: pathlib.Path, number: int, seed: int) -> str:
    """Makes a damaged copy of a subject's folder; says what was done to which file."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    rng = np.random.default_rng([seed, number])
    names = SUBJECTS[subject].damaged or sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )
    name = names[rng.integers(len(names))]
    mutation = MUTATIONS[rng.integers(len(MUTATIONS))]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(mutation(content, rng))
    return f"{mutation.__name__} of {name}"


def fuzz(work_dir: pathlib.Path, num_files: int, seed: int, seconds: float, subjects: tuple[str, ...], only=None):
    """Damages and reads; yields (number, subject, what was done, what was found, fault or "")."""
    wholes: dict[str, tuple[pathlib.Path, dict]] = {}
    worker = Worker(seconds)
    try:
        for number in range(num_files) if only is None else [only]:
            subject = subjects[number % len(subjects)]
            if subject not in wholes:
                place = work_dir / "whole" / subject
                place.mkdir(parents=True)
                SUBJECTS[subject].make(place)
                copy = work_dir / "copy" / subject
                shutil.copytree(place, copy)
                read = worker.read(subject, copy)
                if read["outcome"] != "read":
                    raise RuntimeError(f"The whole {subject} was not read: {read}")
                wholes[subject] = place, read
            place, read = wholes[subject]
            kind = SUBJECTS[subject]
            folder = work_dir / "damaged" / subject
            done = damage(subject, place, folder, number, seed)
            found = worker.read(subject, folder)
            yield number, subject, done, found, fault_of(kind.promise, read, found, kind.may_begin_late)
    finally:
        worker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num_files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="processor time that reading one file may take")
    parser.add_argument("--subjects", nargs="+", default=tuple(SUBJECTS), choices=tuple(SUBJECTS))
    parser.add_argument("--only", type=int, help="the number of one file")
    parser.add_argument("--work_dir", type=pathlib.Path, help="a new folder; a temporary one if not given")
    flags = parser.parse_args()
    outcomes: collections.Counter = collections.Counter()
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        work_dir = flags.work_dir or pathlib.Path(temporary)
        for number, subject, done, found, fault in fuzz(
            work_dir, flags.num_files, flags.seed, flags.seconds, tuple(flags.subjects), flags.only
        ):
            outcomes[subject, found["outcome"]] += 1
            faults += bool(fault)
            if fault or flags.only is not None:
                print(f"{number} {subject}, {done}: {fault or found}", flush=True)
                for line in found.get("trace", ()):
                    print(f"    {line}", flush=True)
    for subject in flags.subjects:
        parts = {outcome: outcomes[subject, outcome] for outcome in ("read", "refused", "traceback", "hang", "crash")}
        print(f"{subject:22}", " ".join(f"{name} {count:4}" for name, count in parts.items()))
    print(f"{sum(outcomes.values())} files, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
