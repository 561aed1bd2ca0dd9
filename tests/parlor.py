"""Starts the parlor binary, and runs the tests that are written in Python."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.abspath(os.environ.get("TESTED_PARLOR", os.path.join(ROOT, "target", "release", "parlor")))
TOOLS = os.path.join(ROOT, "target", "tools", "bin")  # what setup.sh builds

os.environ["PATH"] = os.pathsep.join([os.path.dirname(BINARY), TOOLS, os.environ["PATH"]])


class Server:
    """A parlor process on a free port."""

    def __init__(self, *flags, environment={}, prefix=(), binary=BINARY, port=0, descriptors=()):
        self.process = subprocess.Popen([*prefix, binary, "--port", str(port), *flags], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment}, pass_fds=descriptors)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"parlor listening on https?://\S*:(\d+)( .*)?\n", line)
        if not found:
            self.process.kill()
            raise RuntimeError("no address in %r: %s" % (line, self.process.stderr.read()))
        self.port = int(found.group(1))
        self._log = []
        self._grown = threading.Condition()
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _collect(self):
        for line in self.process.stderr:
            with self._grown:
                self._log.append(line)
                self._grown.notify_all()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._collector.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def wait_for_log(self, text, seconds=20):
        """The first log line that holds `text`, as soon as it is there."""
        def find():
            return next((line for line in self._log if text in line), None)
        with self._grown:
            if not self._grown.wait_for(find, seconds):
                raise AssertionError("no %r in the log:\n%s" % (text, "".join(self._log)))
            return find()


@contextlib.contextmanager
def serving(*flags, environment={}, prefix=()):
    """A server with these flags; `prefix` is the command that starts it, if it is not its own."""
    server = Server(*flags, environment=environment, prefix=prefix)
    try:
        yield server
    finally:
        server.kill()


ECDSA = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def authority(folder, kind=ECDSA):
    """Makes a certificate authority and a certificate for localhost; the flags that serve it, and what to trust."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stderr=subprocess.DEVNULL)

    new_key = ["-nodes", "-newkey", *kind]
    openssl("req", "-x509", *new_key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=a test's authority",
            "-days", "2")
    openssl("req", *new_key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    with open(os.path.join(folder, "names"), "w", encoding="ascii") as names:
        names.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-extfile", "names", "-days", "2", "-out", "cert.pem")
    at = lambda name: os.path.join(folder, name)
    return ["--tls-cert", at("cert.pem"), "--tls-key", at("key.pem")], at("ca.pem")


def run_tests(name):
    """Runs the program's own tests, and says how many passed."""
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors)
    print("%s: %d passed, %d failed" % (name, result.testsRun - failed, failed))
    sys.exit(failed > 0 or result.testsRun == 0)
