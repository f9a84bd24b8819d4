"""The event files of earlier sessions of a run, as TensorBoard reads them."""

import os
import re
from collections.abc import Iterator

from tensorflow.core.util import event_pb2


def event_files(log_dir: str) -> list[str]:
    """Paths of the event files of a folder in the order in which they were written."""
    try:
        names = os.listdir(log_dir)
    except OSError:
        return []
    names = [name for name in names if name.startswith("events.out.tfevents.")]
    return [os.path.join(log_dir, name) for name in sorted(names, key=_when_written)]


def _when_written(name: str) -> list[str | int]:
    # Seconds, host, process, and within it a count, of which 10 comes after 9.
    return [int(part) if number % 2 else part for number, part in enumerate(re.split(r"([0-9]+)", name))]


def start_of(path: str) -> int | None:
    """The first step of the session that wrote an event file, None where the file does not say that one started."""
    for event in _events(path):
        if event.HasField("session_log"):
            return int(event.step)
        if not event.HasField("file_version"):
            break
    return None


def start_event(step: int, wall_time: float) -> bytes:
    """An event that says that a session starts at a step: TensorBoard drops what it has read from that step on."""
    log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return bytes(event_pb2.Event(wall_time=wall_time, step=step, session_log=log).SerializeToString())


def events_at(log_dir: str, step: int, prefix: str) -> list[bytes]:
    """What was logged last at a step under each tag that begins with `prefix`."""
    found = {}
    for path in event_files(log_dir):
        for event in _events(path):
            for value in event.summary.value if event.step == step else ():
                if value.tag.startswith(prefix):
                    summary = type(event.summary)(value=[value])
                    found[value.tag] = event_pb2.Event(wall_time=event.wall_time, step=step, summary=summary)
    return [bytes(event.SerializeToString()) for event in found.values()]


def _events(path: str) -> Iterator[event_pb2.Event]:
    # Slow to import, and a run that is new has no need of it.
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    for content in LegacyEventFileLoader(path).Load():
        yield event_pb2.Event.FromString(content.SerializeToString())
