"""A server with a data directory of its own, for tests."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

import disk  # noqa: E402
from examine import Person, read_room  # noqa: E402

SECONDS = 20


class Fixture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = os.path.join(folder.name, "data")
        self.database = os.path.join(self.data, "parlor.db")

    def record(self):
        """The directory on a disk that can be made to fail."""
        os.mkdir(self.data, 0o700)
        recorder = disk.Recorder(self.data)
        self.addCleanup(recorder.close)
        return recorder

    def serving(self, *flags, data=None, environment={}):
        return parlor.serving("--bind", "127.0.0.1", "--data", data or self.data, *flags, environment=environment)

    def fill(self, *texts):
        """Publishes these in `tea`, and ends the server."""
        with self.serving() as server:
            for text in texts:
                self.assertEqual(post(server, text)[0], 200)

    def refusal(self, *flags, environment={}):
        """What a server says that does not start."""
        command = [parlor.BINARY, "--port", "0", "--bind", "127.0.0.1", "--data", self.data, *flags]
        return self.assert_fails(run(*command, environment=environment))

    def assert_fails(self, done):
        """What a program said that has failed."""
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr

    def texts(self, server):
        return list(asyncio.run(read_room(server.port, "tea")).texts.values())


def run(*command, stdin="", environment={}):
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS,
                          env={**os.environ, **environment})


def post(server, text, room="tea"):
    """The status, the answer, and the header fields."""
    request = urllib.request.Request("http://127.0.0.1:%d/rooms/%s" % (server.port, room), text.encode())
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def publish(server, text):
    """The answer at the JSON door."""
    async def ask():
        async with Person(server.port) as person:
            return await person.ask({"type": "publish", "room": "tea", "data": text, "id": 1}, "ok")
    return asyncio.run(asyncio.wait_for(ask(), SECONDS))
