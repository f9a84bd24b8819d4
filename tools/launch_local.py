"""Trains with several workers on this machine alone, as several machines would, to try a job before it has machines.

    python tools/launch_local.py --workers=2 -- --gin_file=gin/quickstart.gin --run_dir=runs/quickstart

What stands after `--` are the arguments of `simone_tf.train`. Every line bears the number of its worker; Ctrl-C (or
SIGTERM) is handed on to all, a second one kills them. The exit code is the greatest of theirs. TensorFlow's servers
listen on all interfaces and ask nobody who they are, so the workers get a network of their own, which has the loopback
interface alone; where the system allows none, or with --data_service, which lies outside, a line says so.
"""

import argparse
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError

MAX_WORKERS = 64
# Seconds after a worker failed in which the others end by themselves, and between asking and killing.
_ENDING, _ASKED = 90.0, 60.0
_PAUSE = 0.1
_FIRST_PORT = 20000  # in a network of their own, where all are free

# Numbers of Linux.
_CLONE_NEWUSER, _CLONE_NEWNET, _PR_SET_PDEATHSIG = 0x10000000, 0x40000000, 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


class Job:
    """Workers of this machine.

    Args:
        count: how many.
        program: what each of them runs, the words of a command.
        is_isolated: whether they get a network of their own; the system has to allow it, see `can_isolate`.
    """

    def __init__(self, count, program, is_isolated):
        ports = range(_FIRST_PORT, _FIRST_PORT + count) if is_isolated else free_ports(count)
        self._addresses = [f"127.0.0.1:{port}" for port in ports]
        self._program = list(program)
        self._is_isolated = is_isolated
        self._readers = []
        self.processes = []

    def start(self):
        """Starts all; their lines are printed from now on."""
        for index in range(len(self._addresses)):
            config = {"cluster": {"worker": self._addresses}, "task": {"type": "worker", "index": index}}
            process = subprocess.Popen(
                self._program,
                env=os.environ | {"TF_CONFIG": json.dumps(config)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # The terminal's Ctrl-C would come to them besides the one that is handed on.
                start_new_session=True,
                preexec_fn=self._prepared(),
            )
            self.processes.append(process)
            for stream, to in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
                reader = threading.Thread(target=_print_lines, args=(index, stream, to), daemon=True)
                reader.start()
                self._readers.append(reader)

    def wait(self):
        """Waits for the end of all, and sees to it that the others end when one has failed; returns the exit code."""
        running, failed_at = dict(enumerate(self.processes)), None
        while running:
            for index, process in list(running.items()):
                if process.poll() is not None:
                    del running[index]
                if process.returncode:
                    failed_at = failed_at or time.monotonic()
                    say(f"[{index}] ended with exit code {_exit_code(process.returncode)}.", sys.stderr)
            if failed_at is not None and time.monotonic() - failed_at > _ENDING:
                self.end()
            time.sleep(_PAUSE)
        for reader in self._readers:
            reader.join()
        return max(_exit_code(process.returncode) for process in self.processes)

    def hand_on(self, number):
        """Sends a signal to those that still run."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def end(self):
        """Ends all: asked first, killed when that does not help."""
        self.hand_on(signal.SIGTERM)
        begin = time.monotonic()
        while any(process.poll() is None for process in self.processes) and time.monotonic() - begin < _ASKED:
            time.sleep(_PAUSE)
        self.hand_on(signal.SIGKILL)

    def _prepared(self):
        """What a worker does before it becomes one; TensorFlow and the launcher are no part of it yet."""
        libc = ctypes.CDLL(None, use_errno=True)
        first = self.processes[0].pid if self.processes else None

        def prepare():
            # Should the launcher be killed, its workers save what they did and end.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            # As background jobs of a shell ignore it, and what they start.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if self._is_isolated:
                enter_network(libc, first)

        return prepare


def can_isolate():
    """Whether the system gives processes a network of their own."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        subprocess.run(["true"], check=True, preexec_fn=lambda: enter_network(libc, None))
    except (OSError, AttributeError, subprocess.SubprocessError):
        return False
    return True


def enter_network(libc, process):
    """Moves this process into the network of another one, or (None) into a new one; OSError where that is refused."""
    kinds = ("net",) if os.geteuid() == 0 else ("user", "net")
    if process is not None:
        for kind in kinds:
            with open(f"/proc/{process}/ns/{kind}", "rb") as file:
                _checked(libc.setns(file.fileno(), 0))
        return
    user, group = os.geteuid(), os.getegid()
    _checked(libc.unshare(_CLONE_NEWNET | (_CLONE_NEWUSER if "user" in kinds else 0)))
    if "user" in kinds:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))


def _checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def free_ports(count):
    """Ports of the loopback interface that nobody listens at, as many as asked for."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _print_lines(index, stream, to):
    for line in stream:
        say(f"[{index}] {line.rstrip()}", to)


def _exit_code(returned):
    return 128 - returned if returned < 0 else returned


def main(argv=None):
    """Starts the workers and waits for them; returns the greatest of their exit codes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="how many workers; 2 unless told")
    parser.add_argument("arguments", nargs="*", help="after --: the arguments of simone_tf.train")
    flags, unknown = parser.parse_known_args(argv)
    if unknown:
        raise UserError(f"{unknown[0]} is no flag of this tool: put -- before the arguments of simone_tf.train.")
    if not 2 <= flags.workers <= MAX_WORKERS:
        raise UserError(f"--workers={flags.workers}: choose a number from 2 to {MAX_WORKERS}.")
    if "TF_CONFIG" in os.environ:
        raise UserError("TF_CONFIG is set, and the workers are to be those of this machine: unset it.")
    is_served = any(argument.startswith("--data_service") for argument in flags.arguments)
    is_isolated = not is_served and can_isolate()
    if not is_isolated:
        reason = "the tf.data service lies outside" if is_served else "the system gives them no network of their own"
        say(f"TensorFlow's servers listen on all interfaces of this machine, as {reason}.", sys.stderr)
    job = Job(flags.workers, [sys.executable, "-m", "simone_tf.train", *flags.arguments], is_isolated)
    job.start()
    return wait_for_end(job)


def wait_for_end(job):
    """Waits for a job and returns its exit code; the first signal is handed on to it, the second kills it."""
    asked = []

    def handle(number, frame):
        asked.append(number)
        job.hand_on(number if len(asked) == 1 else signal.SIGKILL)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        return job.wait()
    finally:
        job.hand_on(signal.SIGKILL)  # Nothing is left, whatever ended the wait.
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    command.run(main, interrupted="the workers were ended")
