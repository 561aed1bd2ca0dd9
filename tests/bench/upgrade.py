#!/usr/bin/env python3
"""Upgrades a server under load, again and again, and says what clients noticed.

usage: upgrade.py [CONNECTIONS [UPGRADES]]

CONNECTIONS members are in one room, in which five messages a second are published: each of them must get every message once
and in its order. A pair in another room sends a message every 5 ms, and says how long its longest silence was. In each upgrade
the time is taken until the old process has ended. The server keeps messages in --data.
"""

import os
import pathlib
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARLOR = ROOT / "target" / "release" / "parlor"
# A message is a number of so many digits: every frame has the same length.
DIGITS = 16
FRAME = 2 + DIGITS
ROOM_SECONDS = 0.2
PROBE_SECONDS = 0.005


def websocket(port, room):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        f"GET /ws/{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    connection.setblocking(False)
    return connection


def frame(number):
    payload = b"%0*d" % (DIGITS, number)
    return bytes([0x81, 0x80 | DIGITS]) + bytes(4) + payload


class Member:
    """Whoever gets a room's messages: one after the other, and none twice."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""
        self.next = None
        self.holes = self.repeats = 0
        self.is_closed = False
        self.last = time.monotonic()
        self.silence = 0.0

    def read(self):
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            return
        now = time.monotonic()
        self.silence = max(self.silence, now - self.last)
        self.last = now
        data = self.rest + data
        while len(data) >= FRAME and data[0] == 0x81:
            number = int(data[2:FRAME])
            if self.next is not None:
                self.holes += max(0, number - self.next)
                self.repeats += number < self.next
            self.next = number + 1
            data = data[FRAME:]
        # Only a ping or a close frame has another first byte.
        if data and data[0] != 0x81:
            if data[0] & 0x0F == 8:
                self.is_closed = True
            data = data[2 + (data[1] & 0x7F):] if len(data) > 1 else data
        self.rest = data


class Load:
    def __init__(self, port, connections):
        self.selector = selectors.EpollSelector()
        self.members = [self.add(port, "crowd") for _ in range(connections)]
        self.probe = self.add(port, "probe")
        self.senders = {"crowd": websocket(port, "crowd"), "probe": websocket(port, "probe")}
        self.sent = {"crowd": 0, "probe": 0}
        self.due = {"crowd": time.monotonic(), "probe": time.monotonic()}

    def add(self, port, room):
        member = Member(websocket(port, room))
        self.selector.register(member.connection, selectors.EVENT_READ, member)
        return member

    def run(self, until):
        """Sends and reads until a condition holds."""
        while not until():
            now = time.monotonic()
            for room, every in (("crowd", ROOM_SECONDS), ("probe", PROBE_SECONDS)):
                if self.due[room] <= now:
                    self.due[room] = max(self.due[room] + every, now)
                    try:
                        self.senders[room].send(frame(self.sent[room]))
                        self.sent[room] += 1
                    except BlockingIOError:
                        pass
                    # What it gets of its own is not looked at.
                    try:
                        self.senders[room].recv(1 << 20)
                    except BlockingIOError:
                        pass
            wait = min(self.due.values()) - time.monotonic()
            for key, _ in self.selector.select(max(wait, 0)):
                key.data.read()
                if key.data.is_closed:
                    self.selector.unregister(key.data.connection)

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        self.run(lambda: time.monotonic() >= end)

    def run_until_all_is_read(self):
        """Publishes nothing more, and waits until everybody has everything, or has been closed."""
        everyone = self.members + [self.probe]
        self.due = {room: float("inf") for room in self.due}
        end = time.monotonic() + 30
        missing = lambda: [
            it for it in everyone
            if not it.is_closed and it.next != self.sent["probe" if it is self.probe else "crowd"]]
        while missing() and time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                key.data.read()
        return len(missing())


def main():
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    upgrades = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        data = pathlib.Path(directory, "data")
        arguments = [PARLOR, "--port", "0", "--bind", "127.0.0.1", "--data", data, "--rate", "0"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
        pid = lambda: int((data / "lock").read_text())
        try:
            load = Load(port, connections)
            load.run_for(2)
            before = load.probe.silence
            everyone = load.members + [load.probe]
            silences, durations = [], []
            for number in range(upgrades):
                for it in everyone:
                    it.silence = 0.0
                old = pid()
                began = time.monotonic()
                os.kill(old, signal.SIGUSR2)
                # The first process is a child, and stays a zombie until it is waited for.
                ended = (lambda: process.poll() is not None) if number == 0 else (lambda: not is_there(old))
                load.run(lambda: ended() or time.monotonic() - began > 60)
                durations.append(time.monotonic() - began)
                load.run_for(2)
                assert pid() != old, "the old process goes on; its log says why"
                silences.append(load.probe.silence)
            missing = load.run_until_all_is_read()
            print(f"{connections} connections, {upgrades} upgrades, {load.sent['crowd']} messages to each")
            print(f"closes {sum(it.is_closed for it in everyone)}, holes {sum(it.holes for it in everyone) + missing}, "
                  f"repeats {sum(it.repeats for it in everyone)}")
            shown = lambda values: ", ".join(f"{1000 * it:.0f}" for it in values)
            print(f"longest silence of a reader of a message every 5 ms, in ms: {shown(silences)} (before: {1000 * before:.0f})")
            print(f"from the signal to the end of the old process, in ms: {shown(durations)}")
        finally:
            os.kill(pid(), signal.SIGKILL)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of a process that has ended may be a zombie of another one.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


if __name__ == "__main__":
    main()
