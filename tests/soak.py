#!/usr/bin/env python3
"""Churn on the real binary: clients of every kind come and go, while a healthy pair keeps chatting.

usage: soak.py [SECONDS]   60 unless told otherwise

Memory and descriptors over time are drawn to target/soak.svg. Fails when a message of the pair is lost or late, when
descriptors do not return to where they were, or when memory grows from the second quarter to the last.
"""

import asyncio
import os
import random
import socket
import statistics
import struct
import sys
import time

sys.dont_write_bytecode = True
import parlor

CHURNERS = 60
ROOMS = 5
LATE_SECONDS = 5
HANDSHAKE = (
    "GET /ws/%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(opcode, payload):
    """A client's frame, with a mask of zeros."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


class Churn:
    def __init__(self, port):
        self.port = port
        self.ends_at = time.monotonic()
        self.connections = 0

    async def connect(self, room):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        writer.write((HANDSHAKE % room).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return reader, writer

    async def churn(self):
        """One client after another, each of some kind."""
        kinds = [self.polite, self.ended, self.reset, self.cut, self.stalled, self.garbage, self.unfinished, self.visitor]
        while time.monotonic() < self.ends_at:
            writer = None
            try:
                writer = await asyncio.wait_for(random.choice(kinds)(), 20)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                pass  # Whoever misbehaves may be cut off at any moment.
            finally:
                if writer:
                    writer.transport.abort()

    async def speak(self, writer, count=10):
        for _ in range(random.randint(1, count)):
            writer.write(frame(random.choice([1, 2, 9]), b"x" * random.choice([0, 5, 100, 125])))
            await writer.drain()
            await asyncio.sleep(random.random() / 50)

    async def member(self):
        return await self.connect("room-%d" % random.randrange(ROOMS))

    async def polite(self):
        reader, writer = await self.member()
        await self.speak(writer)
        writer.write(frame(8, b"\x03\xe8"))
        await reader.read()
        return writer

    async def ended(self):
        reader, writer = await self.member()
        await self.speak(writer)
        writer.write_eof()
        await reader.read()
        return writer

    async def reset(self):
        _, writer = await self.member()
        await self.speak(writer)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return writer

    async def cut(self):
        _, writer = await self.member()
        writer.write(frame(2, b"x" * 1000)[: random.randint(1, 1000)])
        await writer.drain()
        return writer

    async def stalled(self):
        """Reads nothing, and says enough to be too slow for itself."""
        reader, writer = await self.member()
        reader._transport.pause_reading()
        for _ in range(200):
            writer.write(frame(2, b"x" * 20_000))
            await asyncio.wait_for(writer.drain(), 2)
        return writer

    async def garbage(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        writer.write(random.choice([b"\x16\x03\x01\x02\x00\x01", os.urandom(200) + b"\r\n\r\n"]))
        await reader.read()
        return writer

    async def unfinished(self):
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        for byte in (HANDSHAKE % "a").encode()[: random.randint(1, 60)]:
            writer.write(bytes([byte]))
            await writer.drain()
        await asyncio.sleep(random.random())
        return writer

    async def visitor(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.connections += 1
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        return writer

    async def chat(self):
        """The healthy pair; gives the longest that a message took, in seconds."""
        speaker, listener = await self.connect("pair"), await self.connect("pair")
        worst = 0
        count = 0
        while time.monotonic() < self.ends_at:
            count += 1
            text = b"message %d" % count
            began = time.monotonic()
            speaker[1].write(frame(1, text))
            for reader, writer in (speaker, listener):
                await self.expect(reader, writer, text)
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.02)
        for _, writer in (speaker, listener):
            writer.transport.abort()
        return count, worst

    async def expect(self, reader, writer, text):
        """The next message; a ping before it is answered."""
        while True:
            opcode, length = await asyncio.wait_for(reader.readexactly(2), LATE_SECONDS)
            payload = await reader.readexactly(length)
            if opcode == 0x81:
                assert payload == text, (payload, text)
                return
            assert opcode == 0x89, (opcode, payload)
            writer.write(frame(10, payload))


def look(pid):
    """Resident memory in KiB, and open descriptors."""
    with open("/proc/%d/status" % pid) as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return rss, len(os.listdir("/proc/%d/fd" % pid))


async def soak(server, seconds):
    pid = server.process.pid
    churn = Churn(server.port)
    began = time.monotonic()
    churn.ends_at = began + seconds
    before = look(pid)
    tasks = [asyncio.create_task(churn.churn()) for _ in range(CHURNERS)]
    pair = asyncio.create_task(churn.chat())
    samples = []
    while time.monotonic() < churn.ends_at and not pair.done():
        samples.append((time.monotonic() - began, *look(pid)))
        await asyncio.sleep(0.25)
    count, worst = await pair
    await asyncio.gather(*tasks)
    give_up = time.monotonic() + 30
    while look(pid)[1] > before[1] and time.monotonic() < give_up:
        await asyncio.sleep(0.1)
    samples.append((time.monotonic() - began, *look(pid)))
    return before, samples, churn.connections, count, worst


def draw(samples, path):
    """Two curves, each on a scale of its own from zero."""
    width, height = 900, 300
    end = samples[-1][0]
    curves = []
    for column, (name, colour) in enumerate([("resident KiB", "#2563eb"), ("descriptors", "#d97706")], start=1):
        most = max(sample[column] for sample in samples)
        points = " ".join(
            "%.1f,%.1f" % (50 + width * sample[0] / end, 20 + height * (1 - sample[column] / most)) for sample in samples
        )
        curves.append('<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>' % (colour, points))
        label = '<text x="%d" y="350" fill="%s">%s, at most %d</text>'
        curves.append(label % (50 + (column - 1) * 300, colour, name, most))
    axis = '<path d="M50 20V%d H%d" fill="none" stroke="#888"/>' % (20 + height, 50 + width)
    seconds = '<text x="%d" y="350" text-anchor="end">%.0f s</text>' % (50 + width, end)
    with open(path, "w") as file:
        file.write(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 370" font-family="sans-serif" font-size="14">'
            '<rect width="1000" height="370" fill="#fff"/>%s%s%s</svg>\n' % (axis, "".join(curves), seconds)
        )


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    with parlor.serving("--bind", "127.0.0.1", "--max-queue", "262144", "--handshake-timeout", "2",
                        "--close-timeout", "2", "--ping-interval", "5", "--pong-timeout", "5") as server:
        before, samples, connections, count, worst = asyncio.run(soak(server, seconds))
    path = os.path.join(parlor.ROOT, "target", "soak.svg")
    draw(samples, path)
    quarter = len(samples) // 4
    memory = [sample[1] for sample in samples]
    early, late = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    after = samples[-1]
    print("%d connections in %.0f s; the pair exchanged %d messages, the slowest took %.0f ms"
          % (connections, seconds, count, worst * 1000))
    print("resident: %d KiB before, %d early, %d late, %d after" % (before[0], early, late, after[1]))
    print("descriptors: %d before, %d at most, %d after" % (before[1], max(it[2] for it in samples), after[2]))
    print("drawn to %s" % os.path.relpath(path, parlor.ROOT))
    checks = {
        "the pair was heard in time": worst < LATE_SECONDS and count > 0,
        "every descriptor was given back": after[2] == before[1],
        "memory stayed flat": late <= 1.1 * early + 1024,
    }
    for name, held in checks.items():
        print("%s: %s" % ("ok" if held else "FAILED", name))
    print("soak: %d passed, %d failed" % (sum(checks.values()), len(checks) - sum(checks.values())))
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
