#!/usr/bin/env python3
"""Runs every target of `make help`, in the form that there is time for.

- `run` and `demo` are started as people start them, used, and ended with Ctrl-C.
- `bomb` runs with a few messages instead of a thousand.
- Those that `make test` is made of run with it: here they are read, like those that take minutes or more. Read means
  `make -n`: make knows how, and each file that it would run is there and is a program.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import unittest
import urllib.request

import parlor

SECONDS = 60
# What is started for real; all others are read.
STARTED = {"help", "build", "run", "demo", "bomb"}


def make(*arguments):
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=parlor.ROOT, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def targets():
    return re.findall(r"^make ([a-z-]+) +(\S.*)$", make("help").stdout, re.M)


@contextlib.contextmanager
def started(*arguments):
    """A target that goes on until Ctrl-C, which ends all of it. Gives its process."""
    process = subprocess.Popen(["make", "--no-print-directory", *arguments], cwd=parlor.ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    # What hangs is ended, so that no line is waited for in vain.
    watchdog = threading.Timer(SECONDS, lambda: os.killpg(process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        yield process
    finally:
        # As a terminal does: to all that make has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        process.wait()
        process.stdout.close()
        watchdog.cancel()


def line_with(process, pattern):
    seen = ""
    for line in process.stdout:
        seen += line
        if found := re.search(pattern, line):
            return found
    raise AssertionError("no %r in:\n%s" % (pattern, seen))


def get(address):
    with urllib.request.urlopen(address, timeout=SECONDS) as response:
        return response.read().decode()


def is_gone(address):
    try:
        get(address)
    except OSError:
        return True
    return False


class Targets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Which may take minutes, and is done when `make test` comes here.
        subprocess.run(["make", "build"], cwd=parlor.ROOT, check=True)

    def test_help_names_every_target(self):
        with open(os.path.join(parlor.ROOT, "Makefile"), encoding="utf-8") as makefile:
            phony = re.search(r"^\.PHONY: (.+)$", makefile.read(), re.M).group(1).split()
        self.assertEqual(sorted(name for name, _ in targets()), sorted(phony))
        self.assertLessEqual(STARTED, set(phony))

    def test_run_serves_the_page_until_ctrl_c(self):
        with started("run", "PORT=0", "ARGS=--bind 127.0.0.1") as process:
            address = line_with(process, r"^parlor listening on (http://\S+)").group(1)
            self.assertIn("<title>parlor</title>", get(address))
        self.assertTrue(is_gone(address))

    def test_demo_says_where_its_board_is_and_feeds_it_until_ctrl_c(self):
        with started("demo", "PORT=0", "SENSORS=2", "HZ=20") as process:
            board = line_with(process, r"^The board: (http://\S+)/\?room=plant&view=board$")
            address = board.group(1)
            self.assertIn("<title>parlor</title>", get(address + "/?room=plant&view=board"))
            events = urllib.request.urlopen(address + "/rooms/plant/events", timeout=SECONDS)
            with events:
                told = (json.loads(line[5:]) for line in map(bytes.decode, events) if line.startswith("data:"))
                values = (message for message in told if isinstance(message.get("data"), float))
                self.assertIn(next(values)["key"], ("boiler.temp", "boiler.pressure"))
        self.assertTrue(is_gone(address))

    def test_bomb_finds_no_more_memory_than_is_allowed(self):
        done = make("bomb", "COUNT=3")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_others_can_be_made(self):
        for name, _ in targets():
            if name in STARTED:
                continue
            with self.subTest(target=name):
                planned = make("-n", name)
                self.assertEqual(planned.returncode, 0, planned.stdout)
                words = shlex.split(planned.stdout.replace("\n", " ; "), comments=True)
                for program in [word for word in words if re.fullmatch(r"tests/[\w/.-]+\.(py|sh)", word)]:
                    path = os.path.join(parlor.ROOT, program)
                    self.assertTrue(os.path.isfile(path), program)
                    check = ["bash", "-n", path] if program.endswith(".sh") else [
                        "python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())", path]
                    subprocess.run(check, check=True)


if __name__ == "__main__":
    parlor.run_tests("targets")
