#!/usr/bin/env python3
"""Sends compressed messages that inflate to a thousand times their size, one after another, and looks at the server's
memory after each.

usage: bomb.py [COUNT]   1,000 unless told otherwise

Each comes on a connection of its own, because the server closes it: with 1009, which is checked. The resident memory
over time is drawn to target/bench/bomb.svg; tests/bench/plots/bomb.svg is such a drawing. Fails when the server takes
more memory at any moment than --max-message allows for.
"""

import os
import re
import socket
import struct
import sys
import zlib

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

import parlor
from chart import lines

MIB = 1 << 20
SECONDS = 60
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
# --max-message, and what a bomb inflates to. DEFLATE makes nothing smaller than by a factor of 1,032.
CASES = [(64 << 10, 63 * MIB), (16 * MIB, 1024 * MIB)]
# Memory that is not the message's: connections, the allocator's own, pages of the binary touched for the first time.
SLACK = 4 * MIB


def bomb(inflated):
    """The frame of a compressed message of zeros, and the length of its payload."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(bytes(MIB)) for _ in range(inflated // MIB)]
    payload = b"".join(parts) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    is_short = len(payload) < 65536
    length = struct.pack(">BH" if is_short else ">BQ", 0xFE if is_short else 0xFF, len(payload))
    # FIN, compressed, binary; masked with zeros.
    return b"\xc2" + length + bytes(4) + payload, len(payload)


def read_exactly(file, count):
    data = file.read(count)
    if len(data) < count:
        raise AssertionError("the server has hung up")
    return data


def throw(port, frame):
    """Sends a bomb; says with which code the server closes."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection, connection.makefile("rb") as file:
        connection.sendall(UPGRADE)
        head = list(iter(file.readline, b"\r\n"))
        assert head[0].startswith(b"HTTP/1.1 101"), head
        assert any(b"permessage-deflate" in line for line in head), head
        connection.sendall(frame)
        first, length = read_exactly(file, 2)
        payload = read_exactly(file, length)
        assert first == 0x88, first
        return struct.unpack(">H", payload[:2])[0]


def memory(pid, file="smaps_rollup", name="Rss"):
    with open("/proc/%d/%s" % (pid, file)) as status:
        return int(re.search(r"^%s:\s+(\d+) kB" % name, status.read(), re.M).group(1)) << 10


def explode(max_message, inflated, count):
    """The server's resident memory before, after each bomb, and at its highest."""
    frame, length = bomb(inflated)
    with parlor.serving("--bind", "127.0.0.1", "--max-message", str(max_message)) as server:
        pid = server.process.pid
        curve = [memory(pid)]
        for _ in range(count):
            code = throw(server.port, frame)
            assert code == 1009, code
            curve.append(memory(pid))
        return length, curve, memory(pid, "status", "VmHWM")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    series, failed = {}, 0
    for max_message, inflated in CASES:
        length, curve, peak = explode(max_message, inflated, count)
        # The inflated message as far as it may go, the compressed one, and the copy that a growing buffer makes.
        allowed = curve[0] + 2 * max_message + 2 * length + SLACK
        after = [value / MIB for value in curve[1:]]
        print(f"--max-message {max_message}: {count} bombs of {length >> 10} KiB, {inflated // MIB} MiB inflated")
        print(f"  resident: {curve[0] / MIB:.2f} MiB before, {min(after):.2f} to {max(after):.2f} after each, "
              f"{peak / MIB:.2f} at the highest of {allowed / MIB:.1f} allowed")
        failed += peak > allowed
        name = "--max-message %d KiB, %d MiB inflated" % (max_message >> 10, inflated // MIB)
        series[name] = [value / MIB for value in curve]
    out = os.path.join(parlor.ROOT, "target", "bench")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "bomb.svg"), "w") as file:
        file.write(lines("Resident memory of the server, MiB", "bombs", series))
    print("bomb: %d passed, %d failed" % (len(CASES) - failed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
