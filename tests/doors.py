#!/usr/bin/env python3
"""nc, websocat and curl, as people run them, in one parlor."""

import os
import signal
import subprocess
import tempfile
import threading
import unittest

import parlor

SECONDS = 20
HANDSHAKE = (
    b"GET /ws%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Tool:
    """A program in the background whose standard input and output are ours."""

    def __init__(self, *command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.watchdog = threading.Timer(SECONDS, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def say(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self, expected):
        """Reads as much as `expected` is, which must be `expected`."""
        heard = self.process.stdout.read(len(expected))
        if heard != expected:
            raise AssertionError("%s: heard %r instead of %r" % (" ".join(self.command), heard, expected))

    def hear_line(self):
        return self.process.stdout.readline()


def output(*command, stdin=b""):
    """What a program that ends by itself writes."""
    return subprocess.run(command, input=stdin, check=True, timeout=SECONDS, stdout=subprocess.PIPE).stdout


class Doors(unittest.TestCase):
    def setUp(self):
        server = parlor.serving("-v", "--close-timeout", "1")
        self.server = server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        self.port = str(self.server.port)
        self.page = "http://localhost:%s/" % self.port

    def websocat(self, room="", *flags):
        """A member that has entered: what websocat reads before that would be said at once."""
        tool = Tool("websocat", *flags, "ws://localhost:%s/ws%s" % (self.port, room))
        self.addCleanup(tool.__exit__)
        tool.say(b"knock\n")
        tool.hear(b"knock\n")
        return tool

    def nc(self, room):
        """A member whose frames are written and read by hand."""
        tool = Tool("nc", "localhost", self.port)
        self.addCleanup(tool.__exit__)
        tool.say(HANDSHAKE % room)
        status, headers = tool.hear_line(), iter(tool.hear_line, b"\r\n")
        self.assertEqual(status, b"HTTP/1.1 101 Switching Protocols\r\n")
        self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"".join(headers))
        return tool

    def test_curl_fetches_the_page(self):
        page = output("curl", "-sS", "--fail", self.page)
        self.assertIn(b"<!doctype html>", page[:100].lower())
        self.assertEqual(page, output("curl", "-sS", "--fail", "--http1.0", self.page))
        head = output("curl", "-sS", "--fail", "--head", self.page)
        self.assertIn(b"HTTP/1.1 200 OK\r\n", head)

    def test_curl_is_told_what_is_wrong(self):
        answer = output("curl", "-sS", "-i", self.page + "nowhere")
        self.assertIn(b"HTTP/1.1 404 Not Found\r\n", answer)
        self.assertIn(b'"detail"', answer)
        self.assertIn(b"HTTP/1.1 426 ", output("curl", "-sS", "-i", self.page + "ws"))

    def test_curl_has_the_page_already(self):
        with tempfile.TemporaryDirectory() as folder:
            etag = os.path.join(folder, "etag")
            output("curl", "-sS", "--fail", "--etag-save", etag, "-o", os.devnull, self.page)
            answer = output("curl", "-sS", "--etag-compare", etag, "-w", "%{http_code} %{size_download}", self.page)
            self.assertEqual(answer, b"304 0")

    def test_nc_fetches_the_page(self):
        answer = output("nc", "localhost", self.port, stdin=b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer[:100])
        self.assertTrue(answer.rstrip().endswith(b"</html>"), answer[-100:])
        answer = output("nc", "-N", "localhost", self.port, stdin=b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(answer.rstrip().endswith(b"</html>"), answer[-100:])

    def test_two_websocats_chat(self):
        one = self.websocat()
        other = self.websocat()
        one.hear(b"knock\n")
        one.say(b"hello from one\n")
        other.hear(b"hello from one\n")
        one.hear(b"hello from one\n")
        other.say("grüß dich, 茶 😀\n".encode())
        for tool in (one, other):
            tool.hear("grüß dich, 茶 😀\n".encode())

    def test_rooms_by_their_names(self):
        tea = self.websocat("/%E8%8C%B6")
        lobby = self.websocat("/lobby")
        tea.say(b"green\n")
        tea.hear(b"green\n")
        lobby.say(b"nothing of tea here\n")
        lobby.hear(b"nothing of tea here\n")

    def test_nc_and_websocat_chat(self):
        member = self.websocat("/mixed")
        by_hand = self.nc(b"/mixed")
        member.say(b"hi, nc\n")
        by_hand.hear(b"\x81\x07hi, nc\n")
        member.hear(b"hi, nc\n")
        # A mask of zeros leaves the text readable.
        by_hand.say(b"\x81\x85\0\0\0\0hi ws")
        member.hear(b"hi ws\n")
        by_hand.hear(b"\x81\x05hi ws")

    def test_a_datagram_is_heard(self):
        with parlor.serving("--udp-port", "0") as server:
            self.port = str(server.port)
            port = server.process.stdout.readline().rsplit(":", 1)[1].strip()
            member = self.websocat("/plant")
            for command in ("echo 'plant 21.5' | nc -u -w1 localhost %s",
                            "echo 'plant 21.5' | nc -u -w1 127.0.0.1 %s",
                            "echo 'plant 21.5' > /dev/udp/127.0.0.1/%s"):
                output("bash", "-c", command % port)
                member.hear(b"21.5\n")

    def test_a_pipe_into_websocat_is_heard(self):
        member = self.websocat("/pipe")
        url = "ws://localhost:%s/ws/pipe" % self.port
        output("websocat", url, stdin=b"from a pipe\n")
        member.hear(b"from a pipe\n")

    def test_binary_through_websocat(self):
        with Tool("websocat", "--binary", "ws://localhost:%s/ws/binary" % self.port) as tool:
            tool.say(b"\x00\xff\x80binary\n")
            tool.hear(b"\x00\xff\x80binary\n")

    def test_a_stopped_websocat_is_cut_off_and_the_others_go_on(self):
        stopped = self.websocat("/flood")
        sender = self.websocat("/flood")
        stopped.hear(b"knock\n")
        stopped.process.send_signal(signal.SIGSTOP)
        line = b"x" * 16_000 + b"\n"
        # More than the kernel holds for a socket that is not read, and the limit of the server's queue.
        for _ in range(1000):
            sender.say(line)
            sender.hear(line)
        self.server.wait_for_log("too slow")
        sender.say(b"we go on\n")
        sender.hear(b"we go on\n")

    def test_websocat_ends_with_the_server(self):
        members = [self.websocat("/%d" % n, "--exit-on-eof") for n in range(3)]
        self.server.process.send_signal(signal.SIGTERM)
        for member in members:
            self.assertEqual(member.process.stdout.read(), b"")
            self.assertEqual(member.process.wait(SECONDS), 0)
        self.assertEqual(self.server.process.wait(SECONDS), 0)


class SecureDoors(unittest.TestCase):
    """The same within TLS, by programs that trust an authority made here and nobody else."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        flags, self.trusted = parlor.authority(folder.name)
        server = parlor.serving("-v", *flags)
        self.server = server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        self.address = "localhost:%d" % self.server.port

    def websocat(self):
        tool = Tool("env", "SSL_CERT_FILE=" + self.trusted, "websocat", "wss://%s/ws" % self.address)
        self.addCleanup(tool.__exit__)
        tool.say(b"knock\n")
        tool.hear(b"knock\n")
        return tool

    def test_websocats_chat(self):
        one = self.websocat()
        other = self.websocat()
        one.hear(b"knock\n")
        line = b"x" * 40_000 + b"\n"
        for text in (b"hello\n", line, b"bye\n"):
            other.say(text)
            one.hear(text)
            other.hear(text)

    def test_websocat_that_does_not_trust_it_is_not_let_down(self):
        with Tool("websocat", "wss://%s/ws" % self.address) as tool:
            self.assertEqual(tool.hear_line(), b"")
        self.server.wait_for_log("TLS: ")

    def test_curl_by_both_versions(self):
        for flags in (["--tls-max", "1.2"], ["--tlsv1.3"]):
            curl = ["curl", "-sS", "--fail", "--cacert", self.trusted, *flags, "https://%s/" % self.address]
            self.assertIn(b"<!doctype html>", output(*curl).lower()[:100])
        member = self.websocat()
        output("curl", "-sS", "--fail", "--cacert", self.trusted, "-d", "from curl",
               "https://%s/rooms/lobby" % self.address)
        member.hear(b"from curl\n")

    def test_who_forgets_the_s_is_told(self):
        answer = output("curl", "-sS", "-w", "%{http_code}", "http://%s/" % self.address)
        self.assertTrue(answer.endswith(b"400"), answer)
        self.assertIn(b"https://", answer)


if __name__ == "__main__":
    parlor.run_tests("doors")
