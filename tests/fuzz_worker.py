"""The process in which damaged files are read, so that a crash or a hang ends it and not the run.

Reads lines of JSON {"subject", "folder"} on its standard input and answers each with one line on the descriptor given.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import resource
import sys
import traceback
import warnings

from simone_tf.errors import UserError

from fuzz_files import SUBJECTS


def read(name: str, folder: str) -> dict:
    """Reads a subject's folder and says what came of it."""
    said = io.StringIO()
    answer: dict = {"outcome": "read"}
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(said):
        warnings.simplefilter("always")
        with contextlib.redirect_stderr(said):
            try:
                answer |= SUBJECTS[name].read(pathlib.Path(folder))
            except UserError as error:
                answer |= {"outcome": "refused", "text": str(error)}
            except BaseException as error:
                last = traceback.format_exc().strip().splitlines()
                answer |= {
                    "outcome": "traceback",
                    "text": f"{type(error).__name__}: {error}"[:300],
                    "trace": last[-12:],
                }
    if any(issubclass(warning.category, UserWarning | RuntimeWarning | ResourceWarning) for warning in caught):
        answer["warning"] = str(caught[0].message)[:300]
    answer["said"] = said.getvalue()[-500:]
    answer["peak_mib"] = peak_mib()
    return answer


def peak_mib() -> int:
    """The most resident memory of this process; `getrusage` would count that of the process it was forked from."""
    status = pathlib.Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024


def main() -> None:
    descriptor = int(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        answer = read(request["subject"], request["folder"])
        os.write(descriptor, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main()
