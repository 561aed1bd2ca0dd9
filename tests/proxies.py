#!/usr/bin/env python3
"""parlor behind HAProxy and nginx, which say for whom they speak; also configured as the guide has it."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import unittest

import parlor

SECONDS = 20
# Everyone here is on this machine, which has no limits, so HAProxy is told that they are elsewhere.
CONFIGURATION = """
defaults
    mode %s
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen parlor
    bind fd@%d
    tcp-request connection set-src str(203.0.113.9)
    %s
"""
GUIDE = os.path.join(parlor.ROOT, "assets", "guide", "proxies.md")
NGINX = os.path.join(parlor.TOOLS, "..", "nginx", "usr", "sbin", "nginx")
# What stands around the guide's lines, in a folder of its own.
AROUND_NGINX = """
daemon off;
error_log stderr;
pid pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:%d;
        %s
    }
}
"""


def example(language, port):
    """The guide's configuration, for a server on that port."""
    with open(GUIDE, encoding="utf-8") as guide:
        [lines] = re.findall("^```%s\n(.*?)^```$" % language, guide.read(), re.M | re.S)
    return lines.replace("127.0.0.1:8080", "127.0.0.1:%d" % port)


@contextlib.contextmanager
def haproxy(mode, *lines):
    """The port of one that passes everything on as these lines have it."""
    with haproxy_with(lambda fd: CONFIGURATION % (mode, fd, "\n    ".join(lines))) as port:
        yield port


@contextlib.contextmanager
def haproxy_with(configuration):
    """The port of one whose configuration is made for the listener that it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.NamedTemporaryFile("w") as file:
        file.write(configuration(listener.fileno()))
        file.flush()
        process = subprocess.Popen(["/usr/sbin/haproxy", "-q", "-db", "-f", file.name],
                                   pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
        try:
            yield listener.getsockname()[1]
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def nginx(lines):
    """The port of one that has these lines in its server."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as folder:
        port = listener.getsockname()[1]
        with open(os.path.join(folder, "conf"), "w", encoding="utf-8") as file:
            file.write(AROUND_NGINX % (port, lines))
        # The listener is handed on as it hands its own on to its successor.
        process = subprocess.Popen([NGINX, "-p", folder, "-c", "conf", "-e", "stderr"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, pass_fds=[listener.fileno()],
                                   env={**os.environ, "NGINX": "%d;" % listener.fileno()})
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


def status(port, path="/ws", fields=b""):
    """What a WebSocket handshake is answered; and the connection, to be closed."""
    client = socket.create_connection(("127.0.0.1", port), SECONDS)
    client.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"
                   b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % (path.encode(), fields))
    with client.makefile("rb") as answer:
        return int(answer.readline().split()[1]), client


class Proxies(unittest.TestCase):
    def serve(self, *flags):
        serving = parlor.serving("-v", "--trusted-proxy", "127.0.0.1", *flags)
        self.addCleanup(serving.__exit__, None, None, None)
        return serving.__enter__()

    def two_members(self, port):
        """What the second of two is answered where each may be there once."""
        first, member = status(port)
        self.addCleanup(member.close)
        second, refused = status(port)
        refused.close()
        return first, second

    def test_a_header_before_each_connection(self):
        server = self.serve("--max-per-address", "1")
        with haproxy("tcp", "server parlor 127.0.0.1:%d send-proxy-v2" % server.port) as port:
            self.assertEqual(self.two_members(port), (101, 429))
            server.wait_for_log("opened peer=203.0.113.9:")

    def test_a_field_in_each_request(self):
        server = self.serve("--max-per-address", "1")
        lines = ["option forwardfor", "server parlor 127.0.0.1:%d" % server.port]
        with haproxy("http", *lines) as port:
            self.assertEqual(self.two_members(port), (101, 429))
            server.wait_for_log("opened peer=203.0.113.9 room=lobby")

    def test_the_proxy_looks_whether_the_server_is_there(self):
        server = self.serve()
        check = "server parlor 127.0.0.1:%d check inter 100 send-proxy-v2" % server.port
        with haproxy("tcp", "option httpchk GET /healthz", check):
            # It says that it speaks for itself.
            self.assertRegex(server.wait_for_log("status=200"), "closed peer=127.0.0.1:")

    def test_people_with_nc(self):
        server = self.serve("--max-per-address", "1", "--line-port", "0")
        lines = int(server.process.stdout.readline().rsplit(":", 1)[1])
        with haproxy("tcp", "server parlor 127.0.0.1:%d send-proxy-v2" % lines) as port:
            with subprocess.Popen(["nc", "127.0.0.1", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
                self.assertRegex(first.stdout.readline(), b"^\\* you are guest-")
                server.wait_for_log("opened peer=127.0.0.1:")
                second = subprocess.run(["nc", "127.0.0.1", str(port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, timeout=SECONDS)
                self.assertTrue(second.stdout.endswith(b"! too many connections from your address\n"), second.stdout)
                first.kill()

    def test_haproxy_as_the_guide_has_it(self):
        server = self.serve("--max-per-address", "1")
        elsewhere = "bind fd@%d\n    tcp-request connection set-src str(203.0.113.9)"
        configure = lambda fd: example("haproxy", server.port).replace("bind :80", elsewhere % fd)
        with haproxy_with(configure) as port:
            self.assertEqual(self.two_members(port), (101, 429))
            server.wait_for_log("opened peer=203.0.113.9:")

    def test_nginx_as_the_guide_has_it(self):
        server = self.serve()
        # It adds this machine's address to what the client says, which is as if the client were another trusted proxy.
        with nginx(example("nginx", server.port)) as port:
            answer, member = status(port, fields=b"X-Forwarded-For: 203.0.113.9\r\n")
            self.addCleanup(member.close)
            self.assertEqual(answer, 101)
            server.wait_for_log("opened peer=203.0.113.9 room=lobby")


if __name__ == "__main__":
    parlor.run_tests("proxies")
