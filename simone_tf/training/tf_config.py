"""`TF_CONFIG`: the environment variable that names the workers which train together, and which of them this is."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from simone_tf.errors import UserError, first_line

VARIABLE = "TF_CONFIG"

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}, the index its own '
    "on every host"
)


class Cluster(NamedTuple):
    """Several workers, two or more."""

    addresses: tuple[str, ...]  # "host:port" of each
    number: int  # of this one


def read_tf_config(environment: Mapping[str, str]) -> Cluster | None:
    """The workers that `TF_CONFIG` names; None where it is not set or names no more than one.

    Args:
        environment: of the process, `os.environ`.

    Raises:
        UserError: it is no JSON or names no workers, other tasks than workers, or no worker for this process to be.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"is no JSON ({first_line(error)})") from error
    if not isinstance(said, dict):
        raise _wrong(f"is JSON of a {type(said).__name__}, not an object")
    jobs = said.get("cluster", {})
    if not isinstance(jobs, dict):
        raise _wrong(f"has a cluster that is a {type(jobs).__name__}, not an object")
    others = sorted(set(jobs) - {"worker"})
    if others:
        raise _wrong(
            f"names tasks of the kind {', '.join(others)}, and all tasks here are workers, of which worker 0 is the "
            "chief"
        )
    addresses = jobs.get("worker", [])
    if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
        raise _wrong(f"has the workers {json.dumps(addresses)}, which are no list of 'host:port'")
    if len(set(addresses)) < len(addresses):
        raise _wrong("gives two workers one address")
    if len(addresses) < 2:
        return None
    return Cluster(tuple(addresses), _index(said.get("task"), len(addresses)))


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of "host:port"; an IPv6 host stands in brackets there."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _index(task: Any, count: int) -> int:
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise _wrong("has no task with a type and an index, so that it is not known which worker this is")
    if task["type"] != "worker":
        raise _wrong(f"has a task of the type {task['type']!r}, and all tasks here are workers")
    index = task["index"]
    if isinstance(index, str) and index.isascii() and index.isdigit():  # as schedulers put it in
        index = int(index)
    if type(index) is not int or not 0 <= index < count:
        raise _wrong(f"has the task index {task['index']!r}, and the {count} workers are those from 0 to {count - 1}")
    return index


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    host, _, port = value.rpartition(":")
    return bool(host) and "/" not in host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16


def _wrong(what: str) -> UserError:
    return UserError(f"{VARIABLE} {what}: set it as in {_EXAMPLE}, or unset it to train on this machine alone.")
