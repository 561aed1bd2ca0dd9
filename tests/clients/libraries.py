#!/usr/bin/env python3
"""Libraries that people use, in four languages, with the token that each makes and the stream that each reads. A program
in `libraries` says in lines of JSON what it has met with; here it is compared with what it should be."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import parlor  # noqa: E402

SECRET = "a secret of at least 32 bytes, for tokens"


class Libraries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        file = cls.enterClassContext(tempfile.NamedTemporaryFile("w", suffix=".secret"))
        file.write(SECRET)
        file.flush()
        cls.server = cls.enterClassContext(parlor.serving("--secret-file", file.name, "--max-message", "4096"))

    def check(self, name, *command):
        room = name + "-room"
        program = [*command[:-1], os.path.join(HERE, "libraries", command[-1])]
        ended = subprocess.run([*program, "http://127.0.0.1:%d" % self.server.port, SECRET, room], timeout=60,
                               capture_output=True, text=True, encoding="utf-8")
        met_with = {}
        for line in ended.stdout.splitlines():
            met_with.update(json.loads(line))
        self.assertEqual(met_with, {
            "name": name, "joined": room, "heard": "hello 茶", "event": "hello 茶", "plain": "plainly",
            "closed": 1009, "reason": "message too big",
        }, ended.stderr)
        self.assertEqual(ended.returncode, 0, ended.stderr)

    def test_python_websockets(self):
        self.check("websockets", sys.executable, "websockets_client.py")

    def test_python_aiohttp(self):
        # Debian's, and so is its Python.
        self.check("aiohttp", "/usr/bin/python3", "aiohttp_client.py")

    def test_javascript_ws(self):
        self.check("ws", "node", "ws.js")

    def test_perl_mojolicious(self):
        self.check("mojolicious", "perl", "mojolicious.pl")

    def test_ruby_faye_websocket(self):
        self.check("faye", "ruby", "faye.rb")


if __name__ == "__main__":
    parlor.run_tests("clients-libraries")
