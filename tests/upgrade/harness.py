"""A server that hands over to its next process, and clients at every door that must not notice."""

import contextlib
import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

from wire import SECONDS, Events, Http, Json, Lines, WebSocket  # noqa: E402

# Whose parent has ended is this program's child from then on, so that it can be waited for (prctl(2)).
PR_SET_CHILD_SUBREAPER = 36
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1) != 0:
    raise OSError(ctypes.get_errno(), "cannot adopt the processes that servers start")

# Some tests have thousands of connections.
resource.setrlimit(resource.RLIMIT_NOFILE, 2 * resource.getrlimit(resource.RLIMIT_NOFILE)[1:])

NO_LIMITS = ["--connect-rate", "0", "--max-per-address", "0", "--rate", "0"]


class Server(parlor.Server):
    """All of its doors, and whichever process has them."""

    def __init__(self, *flags, binary=parlor.BINARY, environment={}):
        super().__init__("-v", "--bind", "127.0.0.1", "--line-port", "0", "--udp-port", "0", *flags, binary=binary,
                         environment=environment)
        self.line_port, self.udp_port = (int(self.process.stdout.readline().rsplit(":", 1)[1]) for _ in range(2))
        self.pid = self.process.pid

    def signal(self, number):
        os.kill(self.pid, number)

    def upgrade(self, wait=True):
        """Has it hand over; when this returns the old process has ended."""
        taken_over = self.count("took over")
        self.signal(signal.SIGUSR2)
        self.wait_for_next(taken_over + 1)
        if wait:
            self.wait_for_end()
        self.pid = self.started()[-1]

    def wait_for_next(self, count):
        self.wait_for_count("took over", count)

    def wait_for_end(self):
        """The process that serves ends by itself, and well."""
        if self.pid == self.process.pid:
            status = self.process.wait(SECONDS)
        else:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if status != 0:
            raise AssertionError("ended with %d:\n%s" % (status, self.log()))

    def started(self):
        """The processes that were to take over, and those that stand-ins have started for them."""
        return [int(number) for number in re.findall(r"(?:upgrade: process|gate: next process) (\d+)", self.log())]

    def log(self):
        with self._grown:
            return "".join(self._log)

    def count(self, text):
        return self.log().count(text)

    def wait_for_count(self, text, count):
        with self._grown:
            if not self._grown.wait_for(lambda: "".join(self._log).count(text) >= count, SECONDS):
                raise AssertionError("no %r in the log:\n%s" % (text, "".join(self._log)))

    def read_all(self):
        """Returns when all that was sent before has been read: what was there then is reported in the same poll."""
        with contextlib.closing(Http(self.port)) as http:
            for _ in range(2):
                assert http.ask("GET", "/healthz")[0] == 200

    def metrics(self):
        """Each value by its name and labels."""
        with contextlib.closing(Http(self.port)) as http:
            lines = http.ask("GET", "/metrics")[2].decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.started():
            # Those that have ended are nobody's any more.
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        super().kill()


class Audience:
    """Somebody at every door of a room, who must hear everything that is said there, once and in order."""

    def __init__(self, server, room):
        self.server, self.room, self._number = server, room, 0
        port = server.port
        self.plain = WebSocket(port, "/ws/" + room)
        self.squeezed = WebSocket(port, "/ws/" + room, deflate=True)
        self.json = Json(port)
        joined = self.json.ask("join", "joined", room=room)
        self.offset, self.epoch = joined["offset"], joined["epoch"]
        self.events = Events(port, room)
        assert self.events.event()["event"] == "joined"
        self.lines = Lines(server.line_port)
        self.lines.say("/join " + room)
        while "in " + room not in self.lines.line():
            pass
        self.http = Http(port)

    def say(self, text):
        """Publishes it, on a connection that is kept, and gives its offset."""
        answer = self.http.json("POST", "/rooms/" + self.room, text.encode())
        assert answer["epoch"] == self.epoch, answer
        self.offset += 1
        assert answer["offset"] == self.offset, (answer, self.offset)
        return self.offset

    def hear(self, text):
        """Everyone hears this next."""
        heard = [self.plain.text(), self.squeezed.text(), self.json.hear(), self.events.hear(), self.lines.hear()]
        assert heard == [text] * 5, (heard, text)

    def check(self):
        """All is as it should be."""
        self._number += 1
        text = "%s says %d" % (self.room, self._number)
        self.say(text)
        self.hear(text)


def replace(link, target):
    """What the link names from now on, without a moment in which it names nothing."""
    os.symlink(target, link + ".new")
    os.replace(link + ".new", link)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = os.path.join(self.folder, "data")
        self.sockets = []
        self.addCleanup(lambda: [one.close() for one in self.sockets])

    def serve(self, *flags, **options):
        server = Server(*flags, **options)
        self.addCleanup(server.kill)
        return server

    def end(self, server):
        """As an operator ends it."""
        server.signal(signal.SIGTERM)
        server.wait_for_end()

    def keep(self, one):
        """A socket that is closed with the test."""
        self.sockets.append(one)
        return one

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def parlor(self, *arguments):
        return subprocess.run([parlor.BINARY, *arguments], capture_output=True, text=True, timeout=2 * SECONDS)

    def token(self, secret, *arguments):
        done = self.parlor("token", "--secret-file", secret, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()
