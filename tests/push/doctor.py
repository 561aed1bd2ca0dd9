"""`parlor doctor --push` from outside: what it says of what a push service answers."""

import os
import subprocess
import tempfile
import unittest

import parlor
import service


class Doctor(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-doctor-")
        self.addCleanup(folder.cleanup)
        parlor.authority(folder.name)
        certificate, key, trusted, signs = (os.path.join(folder.name, name) for name in (
            "cert.pem", "key.pem", "ca.pem", "push.pem"))
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", signs],
                       check=True, capture_output=True)
        self.service = service.Service(service.context(certificate, key))
        self.addCleanup(self.service.close)
        self.phone = self.service.subscribe()
        self.flags = ["--push-contact", "mailto:ops@example.org", "--push-key", signs, "--webhook-ca", trusted]
        self.allowed = ["--webhook-allow", "127.0.0.1", "--webhook-allow", "::1"]

    def doctor(self, *flags, **change):
        keys = {**self.phone.keys(), **change}
        done = subprocess.run([parlor.BINARY, "doctor", "--push", self.phone.endpoint, "--p256dh=" + keys["p256dh"],
                               "--auth=" + keys["auth"], *flags], capture_output=True, text=True, timeout=service.SECONDS)
        said = done.stdout + done.stderr
        for secret in self.phone.path, *keys.values():
            self.assertNotIn(secret, said)
        return done.returncode, said

    def test_each_answer_is_said_in_words(self):
        for answer, code, words in (
                (201, 0, "should be there now"), (403, 1, "another key"), (410, 1, "subscribe again"),
                ((429, {"retry-after": "30"}), 1, "in 30 seconds"), (503, 1, "fault of its own")):
            self.phone.answer = answer
            found, said = self.doctor(*self.flags, *self.allowed)
            self.assertEqual((found, words in said), (code, True), said)
        self.assertEqual([push.body["web_push"] for push in self.phone.heard], [8030])

    def test_what_cannot_be_sent_says_why(self):
        for flags, change, words in (
                ([], {}, "push is off"), (self.flags, {}, "--webhook-allow"),
                (self.flags, {"auth": "no-secret"}, "auth is")):
            found, said = self.doctor(*flags, **change)
            self.assertEqual((found, words in said), (1, True), said)
