#!/usr/bin/env python3
"""Churn on the real binary: clients of every kind come and go, while a healthy pair keeps chatting.

usage: soak.py [SECONDS]   60 unless told otherwise

Memory and descriptors over time are drawn to target/soak.svg; tests/soak.svg is such a drawing. Fails when a message of
the pair is lost or late, when resident memory grows from the second quarter to the last, or when descriptors or
allocated bytes are not at last what they were after a short churn before.
"""

import asyncio
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import parlor

CHURNERS = 60
ROOMS = 5
LATE_SECONDS = 5
SAMPLES = 600
WARM_UP_SECONDS = 15
# Tables that do not shrink grow with the most connections there were at once.
SLACK_BYTES = 16 << 10
HANDSHAKE = (
    "GET /ws/%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
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
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
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


class Heap:
    """The bytes that a process has allocated, as tests/heap.c counts them."""

    def __init__(self, folder):
        library, self.path = os.path.join(folder, "heap.so"), os.path.join(folder, "allocated")
        source = os.path.join(parlor.ROOT, "tests", "heap.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", source, "-o", library], check=True)
        with open(self.path, "wb") as file:
            file.write(bytes(8))
        self.environment = {"LD_PRELOAD": library, "HEAP": self.path}

    def allocated(self):
        with open(self.path, "rb") as file:
            return struct.unpack("l", file.read())[0]


class Process:
    def __init__(self, pid, heap):
        self.pid, self.heap = pid, heap

    def look(self):
        """Resident KiB, allocated KiB, open descriptors."""
        with open("/proc/%d/status" % self.pid) as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return resident, self.heap.allocated() / 1024, len(os.listdir("/proc/%d/fd" % self.pid))

    async def calm(self, descriptors, allocated_kib=None):
        """Waits for what has ended to be given back; in vain after 30 s, which the checks will say."""
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            _, allocated, open_now = self.look()
            if open_now <= descriptors and (allocated_kib is None or allocated <= allocated_kib):
                break
            await asyncio.sleep(0.1)


async def soak(process, port, seconds):
    """A churn of `seconds`: samples over time, connections made, messages of the pair, the longest that one took."""
    churn = Churn(port)
    began = time.monotonic()
    churn.ends_at = began + seconds
    tasks = [asyncio.create_task(churn.churn()) for _ in range(CHURNERS)]
    pair = asyncio.create_task(churn.chat())
    samples = []
    while time.monotonic() < churn.ends_at and not pair.done():
        samples.append((time.monotonic() - began, *process.look()))
        await asyncio.sleep(max(0.25, seconds / SAMPLES))
    count, worst = await pair
    await asyncio.gather(*tasks)
    return samples, churn.connections, count, worst


async def warm_up_and_soak(process, port, seconds):
    descriptors = process.look()[2]
    await soak(process, port, WARM_UP_SECONDS)
    # Longer than any deadline: the timers have forgotten all who came.
    await process.calm(descriptors)
    await asyncio.sleep(12)
    before = process.look()
    found = await soak(process, port, seconds)
    await process.calm(descriptors, before[1] + SLACK_BYTES / 1024)
    return before, process.look(), *found


def panel(samples, value, name, colour, top):
    """One curve on a scale of its own from zero, with the most on its axis."""
    width, height, left = 900, 150, 80
    end, most = samples[-1][0], max(value(sample) for sample in samples)
    points = " ".join(
        "%.1f,%.1f" % (left + width * sample[0] / end, top + height * (1 - value(sample) / most)) for sample in samples
    )
    bottom = top + height
    return "".join([
        '<text x="%d" y="%d" fill="%s">%s</text>' % (left, top - 8, colour, name),
        '<text x="%d" y="%d" text-anchor="end">%.3g</text>' % (left - 8, top + 5, most),
        '<text x="%d" y="%d" text-anchor="end">0</text>' % (left - 8, bottom),
        '<path d="M%d %dV%dH%d" fill="none" stroke="#888"/>' % (left, top, bottom, left + width),
        '<text x="%d" y="%d" text-anchor="end">%.0f s</text>' % (left + width, bottom + 18, end),
        '<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>' % (colour, points),
    ])


def draw(samples, path):
    panels = [
        panel(samples, lambda sample: sample[1] / 1024, "resident memory, MiB", "#2563eb", 30),
        panel(samples, lambda sample: sample[2] / 1024, "allocated, MiB", "#15803d", 235),
        panel(samples, lambda sample: sample[3], "open descriptors", "#b45309", 440),
    ]
    with open(path, "w") as file:
        file.write(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 625" font-family="sans-serif" font-size="14">'
            '<rect width="1000" height="625" fill="#fff"/>%s</svg>\n' % "".join(panels)
        )


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        heap = Heap(folder)
        with parlor.serving("--bind", "127.0.0.1", "--max-queue", "262144", "--handshake-timeout", "2",
                            "--close-timeout", "2", "--ping-interval", "5", "--pong-timeout", "5", "--history", "0",
                            environment=heap.environment) as server:
            process = Process(server.process.pid, heap)
            before, after, samples, connections, count, worst = asyncio.run(
                warm_up_and_soak(process, server.port, seconds))
    path = os.path.join(parlor.ROOT, "target", "soak.svg")
    draw(samples, path)
    quarter = len(samples) // 4
    memory = [sample[1] for sample in samples]
    early, late = statistics.median(memory[quarter : 2 * quarter]), statistics.median(memory[-quarter:])
    print("%d connections in %.0f s; the pair exchanged %d messages, the slowest took %.0f ms"
          % (connections, seconds, count, worst * 1000))
    print("resident: %d KiB before, %d early, %d late, %d after" % (before[0], early, late, after[0]))
    print("allocated: %.1f KiB before, %.1f after" % (before[1], after[1]))
    print("descriptors: %d before, %d at most, %d after" % (before[2], max(it[3] for it in samples), after[2]))
    print("drawn to %s" % os.path.relpath(path, parlor.ROOT))
    checks = {
        "the pair was heard in time": worst < LATE_SECONDS and count > 0,
        "every descriptor was given back": after[2] == before[2],
        "every allocation was given back": after[1] <= before[1] + SLACK_BYTES / 1024,
        "resident memory stayed flat": late <= 1.1 * early + 1024,
    }
    for name, held in checks.items():
        print("%s: %s" % ("ok" if held else "FAILED", name))
    print("soak: %d passed, %d failed" % (sum(checks.values()), len(checks) - sum(checks.values())))
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
