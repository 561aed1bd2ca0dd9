#!/usr/bin/env python3
"""Measures what --data costs, in turns on one machine: deliveries to 1,000 receivers, POSTs with 64 in flight, an upload of
1 GiB, and, if asked for, a room of many messages.

usage: durability.py [MESSAGES]   with MESSAGES, also a room of so many messages (10000000 takes minutes)

Each case runs in turn with messages in memory, on disk before they are answered (commit), and written behind. Ratios are of
neighbouring runs. The memory of the server during the upload is drawn to target/bench/upload.svg.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

import parlor
from chart import lines

BENCH = os.path.join(os.path.dirname(parlor.BINARY), "parlor-bench")
FLAGS = ["--bind", "127.0.0.1", "--rate", "0", "--max-per-address", "0", "--connect-rate", "0"]
ROUNDS = 3
POSTS = 20_000
IN_FLIGHT = 64
GIB = 1 << 30


def kinds(directory):
    data = os.path.join(directory, "data")
    return {"memory": [], "commit": ["--data", data], "behind": ["--data", data, "--durability", "memory"]}


def median(values):
    return sorted(values)[len(values) // 2]


def fsync_ms(directory):
    """How long the disk takes for 4 KiB: the median and the 99th percentile of 200."""
    path, took = os.path.join(directory, "probe"), []
    with open(path, "wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    os.remove(path)
    took.sort()
    return took[100], took[197]


def deliveries(port, pid, load):
    command = [BENCH, "--json", "-q", "-c", "1000", "--seconds", "4", "--pid", str(pid), *load,
               f"ws://127.0.0.1:{port}/ws/bench"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return report


def post_rate(port):
    """POSTs a second, with one in flight on each of 64 connections: each sends the next as soon as it has its answer."""
    request = (b"POST /rooms/bench HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n"
               + b"x" * 64)
    epoll = select.epoll()
    connections = {}
    for _ in range(IN_FLIGHT):
        connection = socket.create_connection(("127.0.0.1", port))
        connections[connection.fileno()] = connection
        epoll.register(connection, select.EPOLLIN)
        connection.send(request)
    began = time.perf_counter()
    done = 0
    while done < POSTS:
        for number, _ in epoll.poll():
            answer = connections[number].recv(4096)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            done += 1
            connections[number].send(request)
    rate = done / (time.perf_counter() - began)
    for connection in connections.values():
        connection.close()
    return rate


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def compare(measure, directory):
    """What is measured with each kind, round by round."""
    found = {kind: [] for kind in kinds(directory)}
    for _ in range(ROUNDS):
        for kind in found:
            with tempfile.TemporaryDirectory(dir=directory) as fresh:
                with parlor.serving(*FLAGS, *kinds(fresh)[kind]) as server:
                    found[kind].append(measure(server))
    return found


def show(title, found, unit):
    print(title)
    for kind, values in found.items():
        ratios = [value / base for value, base in zip(values, found["memory"])]
        print(f"  {kind:7} {median(values):12.1f} {unit}   {median(ratios):.2f} of memory's")


def upload(directory):
    path = os.path.join(directory, "big")
    with open(path, "wb") as file:
        file.truncate(GIB)
    with tempfile.TemporaryDirectory(dir=directory) as fresh:
        flags = [*FLAGS, "--data", os.path.join(fresh, "data"), "--max-file", str(2 * GIB), "--room-file-space", str(4 * GIB),
                 "--file-space", str(8 * GIB), "--file-quota", str(4 * GIB)]
        with parlor.serving(*flags) as server:
            curve, done = [resident(server.process.pid)], threading.Event()

            def watch():
                while not done.wait(0.05):
                    curve.append(resident(server.process.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            began = time.perf_counter()
            command = ["curl", "-sS", "-f", "-T", path, f"http://127.0.0.1:{server.port}/rooms/tea/files/"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took = time.perf_counter() - began
            done.set()
            watcher.join()
    os.remove(path)
    print(f"upload of 1 GiB: {took:.1f} s; resident {curve[0]:.1f} MiB before, {max(curve):.1f} at most")
    out = os.path.join(parlor.ROOT, "target", "bench")
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "upload.svg"), "w") as file:
        file.write(lines("Resident memory of the server during an upload of 1 GiB, MiB", "twentieths of a second",
                         {"resident": curve}))


def many(directory, count):
    """A room of so many messages: how long the server takes to start, to read a page and to search."""
    data = os.path.join(directory, "many")
    importing = subprocess.Popen([parlor.BINARY, "import", "--data", data], stdin=subprocess.PIPE, text=True,
                                 stdout=subprocess.DEVNULL)
    for offset in range(1, count + 1):
        importing.stdin.write(
            '{"room":"tea","offset":%d,"at":%d,"from":{"id":"p0000000000000001","name":"ana"},'
            '"data":"message %d about word%d","epoch":"0000000000000001"}\n'
            % (offset, 1_700_000_000_000 + offset, offset, offset % 100_000))
    importing.stdin.close()
    assert importing.wait() == 0
    size = sum(os.path.getsize(os.path.join(data, name)) for name in os.listdir(data)
               if os.path.isfile(os.path.join(data, name)))
    starts = []
    for _ in range(3):
        began = time.perf_counter()
        with parlor.serving(*FLAGS, "--data", data):
            starts.append(1000 * (time.perf_counter() - began))
    with parlor.serving(*FLAGS, "--data", data) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        file = connection.makefile("rb")

        def ask(target):
            began = time.perf_counter()
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            status = file.readline()
            assert b" 200 " in status, status
            headers = dict(line.lower().split(b": ", 1) for line in iter(file.readline, b"\r\n"))
            file.read(int(headers[b"content-length"]))
            return 1000 * (time.perf_counter() - began)

        places = [1 + (number * 7919 * 6151) % count for number in range(200)]
        pages = lambda: sorted(ask(f"/rooms/tea/messages?limit=100&before={place + 101}") for place in places)
        pages()
        page = pages()
        searches = sorted(ask(f"/rooms/tea/search?q=word{place % 100_000}") for place in places)
        memory = resident(server.process.pid)
    print(f"{count} messages, {size / GIB:.2f} GiB: start {median(starts):.0f} ms; a page of 100 p50 {page[100]:.2f} ms, "
          f"p99 {page[197]:.2f} ms; a search p50 {searches[100]:.2f} ms, p99 {searches[197]:.2f} ms; resident {memory:.1f} MiB")


def main():
    with tempfile.TemporaryDirectory(dir=os.path.join(parlor.ROOT, "target")) as directory:
        print("fdatasync of 4 KiB: p50 %.2f ms, p99 %.2f ms" % fsync_ms(directory))
        for load in (["-s", "1", "-w", "1"], ["-s", "10", "-w", "32"]):
            reports = compare(lambda server: deliveries(server.port, server.process.pid, load), directory)
            rates = {kind: [it["deliveries_per_second"] for it in found] for kind, found in reports.items()}
            show(f"deliveries to 1,000 receivers, {load[1]} senders, {load[3]} in flight each", rates, "/s")
            p99 = {kind: [it["latency_us"]["p99"] / 1000 for it in found] for kind, found in reports.items()}
            show("  their p99", p99, "ms")
        show(f"POSTs of 64 bytes, {IN_FLIGHT} in flight", compare(lambda server: post_rate(server.port), directory), "/s")
        upload(directory)
        if len(sys.argv) > 1:
            many(directory, int(sys.argv[1]))


if __name__ == "__main__":
    main()
