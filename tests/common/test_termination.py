"""Tests how a process ends after a signal. Each test starts a small Python program."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("foreground")
START = "from common.termination import end_on_signals; end_on_signals('program')\n"
# This loop catches every exception and continues, as TensorFlow does when it calls Python code.
SWALLOWS = """
print("ready", flush=True)
while True:
    try:
        time.sleep(0.1)
    except BaseException:
        pass
"""
# While OpenSSL computes the hash, other threads run, but the main thread executes no Python code,
# and therefore no signal handler.
LONG_CALL = """
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha512", b"", b"", 2**31 - 1)
"""


class Program:
    """A Python program that was started, and has printed "ready"."""

    def __init__(self, project: Path, code: str, **options) -> None:
        imports = "import hashlib, os, signal, subprocess, sys, threading, time\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", imports + START + textwrap.dedent(code)],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.said = ""
        while "ready" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.said += line

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Waits for the program to end; returns its exit status and its stderr."""
        out, err = self.process.communicate(timeout=30)
        self.said += out
        return self.process.returncode, err


@pytest.fixture
def program(project):
    programs = []

    def start(code, **options):
        programs.append(Program(project, code, **options))
        return programs[-1]

    yield start
    for started in programs:
        started.process.kill()
        started.process.communicate()


@pytest.mark.parametrize("code", [SWALLOWS, LONG_CALL], ids=["swallows", "long call"])
@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "program: interrupted\n"),
        (signal.SIGTERM, 143, "program: terminated\n"),
        (signal.SIGHUP, 129, "program: ended, because its terminal is gone\n"),
    ],
)
def test_a_signal_ends_whatever_the_main_thread_does(program, code, number, status, line):
    running = program(code)
    running.send(number)
    assert running.end() == (status, line)


def test_ignored_signals_stay_ignored(program):
    """A shell may make a background job ignore SIGINT; the job must keep ignoring SIGINT."""
    code = "print('ready', flush=True)\ntime.sleep(0.5)\nprint('went on')"
    running = program(code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    running.send(signal.SIGINT)
    assert running.end() == (0, "")
    assert running.said.endswith("went on\n")


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_child_processes_are_ended(program):
    """A program that gets SIGTERM also ends its child processes.

    In this test, one child process ignores SIGTERM and has its own session, and another child
    process is orphaned.
    """
    running = program(
        """
        deaf = [
            "import signal, time",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "print('deaf', flush=True)",
            "time.sleep(60)",
        ]
        child = subprocess.Popen(
            [sys.executable, "-c", "\\n".join(deaf)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        child.stdout.readline()
        shell = "sleep 60 > /dev/null 2>&1 & echo $!"
        orphan = int(subprocess.run(shell, shell=True, stdout=subprocess.PIPE).stdout)
        print("ready", child.pid, orphan, flush=True)
        time.sleep(60)
        """
    )
    below = [int(process) for process in running.said.split()[1:]]
    assert [is_alive(process) for process in below] == [True, True]
    running.send(signal.SIGTERM)
    assert running.end()[0] == 143
    assert [is_alive(process) for process in below] == [False, False]


def test_a_signal_for_a_fork_is_not_for_its_parent(program):
    running = program(
        """
        child = os.fork()
        if not child:
            time.sleep(60)
        print("ready", child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        time.sleep(0.2)
        """
    )
    os.kill(int(running.said.split()[1]), signal.SIGTERM)
    assert running.end() == (0, "")
    assert running.said.endswith(f"{-signal.SIGTERM}\n")


WORK = """
from common.termination import call_before_end, postpone_end, stop_here
class Work:
    has_unsaved_steps = {unsaved}
    asked = threading.Event()
    def request_stop(self, number, frame):
        self.asked.set()
work = Work()
with postpone_end(work):
    print("ready", flush=True)
    work.asked.wait()
    time.sleep({seconds})
    print("saved", flush=True)
    raise KeyboardInterrupt("saved, and goes on")
"""
SAVING = "program: the training is being saved; a second Ctrl-C ends it at once\n"


def test_unsaved_steps_are_saved_first(program):
    running = program(WORK.format(unsaved=True, seconds=0))
    running.send(signal.SIGTERM)
    assert running.end() == (143, f"{SAVING}program: terminated: saved, and goes on\n")
    assert running.said == "ready\nsaved\n"


def test_without_unsaved_steps_the_process_ends_at_once(program):
    running = program(WORK.format(unsaved=False, seconds=0))
    running.send(signal.SIGINT)
    assert running.end() == (130, "program: interrupted\n")


def test_a_second_signal_ends_at_once(program):
    running = program(WORK.format(unsaved=True, seconds=600))
    running.send(signal.SIGINT)
    # A signal less than 0.5 s after the first signal is ignored, because some wrappers forward a
    # signal that the terminal has already sent to the process.
    running.send(signal.SIGINT)
    time.sleep(0.7)
    assert running.process.poll() is None
    running.send(signal.SIGINT)
    assert running.end() == (130, f"{SAVING}program: interrupted\n")
    assert running.said == "ready\n"


def test_a_callback_that_hangs_does_not_stop_the_others(program):
    """A callback may hang, for example, because the network is unreachable."""
    running = program(
        """
        from common.termination import call_before_end
        def say(text):
            return lambda: print(text, file=sys.stderr, flush=True)
        with (
            call_before_end(say("screen")),
            call_before_end(lambda: time.sleep(60)),
            call_before_end(say("node")),
        ):
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    running.send(signal.SIGINT)
    assert running.end() == (130, "node\nscreen\nprogram: interrupted\n")


def test_nothing_is_pushed_after_a_signal(program):
    """After a signal, `stop_here` never returns, even while a callback delays the process's end."""
    running = program(
        """
        from common.termination import call_before_end, stop_here
        begun = threading.Event()
        def farewell():
            print("farewell", file=sys.stderr, flush=True)
            begun.set()
            time.sleep(600)
        with call_before_end(farewell):
            print("ready", flush=True)
            begun.wait()
            stop_here()
            print("pushed", flush=True)
        """
    )
    running.send(signal.SIGINT)
    assert running.end() == (130, "farewell\nprogram: interrupted\n")
    assert running.said == "ready\n"
