#!/usr/bin/env python3
"""How long others wait while someone attacks: the stall probe.

Each attack runs against a release binary with default flags, but for those it names, while a healthy pair in a room of
its own says 500 messages a second. The table has the latency of those, and the CPU that the server used meanwhile:
`--vs` names another binary, such as that of an earlier commit, which is attacked in turn. Server on core 0, attacker and
pair on core 1, where the pair goes first. Needs the release binaries (`make build`).

    python3 tests/stalls/probe.py --only 3,10 --vs target/before/parlor
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

# No __pycache__ among the sources.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import parlor
from attacks import ATTACKS, SECRET

GENERATOR = os.path.join(parlor.ROOT, "target", "release", "parlor-bench")
PAIR = ["-c", 2, "-s", 1, "-r", 500]
WARMUP = 0.5
# The pair measures so long before the attack begins, and the attack ends so long before it.
MARGIN = 0.3
# Where it is allowed: the server before what else its core does, and the pair before the attacker. A server that takes all
# of its core has to leave 50 ms of each second to others, if there are any: on a busy machine that is the kernel's stall.
FIRST = ["chrt", "--fifo", "1"] if os.geteuid() == 0 else []


class Target:
    """A server under attack."""

    def __init__(self, server, seconds):
        self.port, self.pid = server.port, server.process.pid
        self.seconds = seconds
        self.until = None
        # Of parlor-bench, for attacks that are its own.
        self.load = None

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid, encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def attack(binary, one):
    """The report of the pair, with the server's CPU time and the attack's note."""
    parlor.BINARY = binary
    with tempfile.TemporaryDirectory() as folder:
        flags, trusted, query = list(one.flags), [], ""
        if one.has_tokens:
            with open(os.path.join(folder, "secret"), "wb") as file:
                file.write(SECRET)
            os.chmod(file.name, 0o600)
            flags += ["--secret-file", file.name]
            made = subprocess.run([binary, "token", "--secret-file", file.name, "--sub", "pair", "--subscribe", "pair",
                                   "--publish", "pair", "--ttl", "1h"], stdout=subprocess.PIPE, text=True, check=True)
            query = "?token=" + made.stdout.strip()
        if one.has_tls:
            more, authority = parlor.authority(folder)
            flags, trusted = flags + more, ["--ca", authority]
        scheme = "wss" if trusted else "ws"
        with parlor.serving("--bind", "127.0.0.1", "-q", *flags, prefix=[*FIRST, "taskset", "-c", "0"]) as server:
            target = Target(server, one.seconds)
            steps = one.run(target)
            next(steps)
            url = "%s://127.0.0.1:%d/ws/pair%s" % (scheme, server.port, query)
            load = ["--door", "json", *target.load] if one.own_pair else [*PAIR, *trusted]
            return {**measure(target, steps, one, url, load), "alive": server.process.poll() is None}


def measure(target, steps, one, url, load):
    seconds = one.seconds + 2 * MARGIN
    command = [*FIRST, "taskset", "-c", "1", GENERATOR, url, *map(str, load), "--json", "-q", "--seconds", str(seconds),
               "--warmup", str(WARMUP), "--pid", str(target.pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pair:
        try:
            note = None
            if not one.own_pair:
                time.sleep(WARMUP + MARGIN)
                cpu, began = target.cpu_seconds(), time.monotonic()
                target.until = began + one.seconds
                note = finish(steps)
                cpu = (target.cpu_seconds() - cpu) / (time.monotonic() - began)
            output, errors = pair.communicate(timeout=120)
        except BaseException:
            pair.kill()
            raise
    if not output:
        return {"error": errors.strip(), "note": note}
    report = json.loads(output)
    if one.own_pair:
        returned, recovery = report["return"], report["recovery"]
        cpu = report["server"]["cpu"]
        note = "%d of %d recovered, %.0f µs of CPU each" % (recovery["recovered"], returned["answered"],
                                                             returned["server_cpu_us_each"] or 0)
    return {"latency": report["latency_us"], "clean": report["clean"], "cpu": cpu, "note": note}


def finish(steps):
    """Runs an attack to its end: its note."""
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    except OSError as error:
        # A server that is busy for longer than it waits for others cuts them off.
        return "**the attacker was cut off: %s**" % error
    raise AssertionError("an attack yields once")


def cells(result):
    """A row's cells for one binary."""
    if not result.get("latency"):
        return ["", "", "", "**the pair heard nothing**", "", (result.get("error") or "").replace("\n", " ")]
    times = ["%.1f" % (result["latency"][it] / 1e3) for it in ("p50", "p99", "p99.9", "max")]
    faults = [] if result["clean"] else ["**the pair was cut off or missed messages**"]
    faults += [] if result["alive"] else ["**the server has ended**"]
    return [*times, "%.0f %%" % (100 * result["cpu"]), "; ".join(filter(None, [*faults, result["note"]]))]


def table(names, rows):
    head = ["number", "attack"]
    for name in names:
        head += ["%s: p50" % name, "p99", "p99.9", "max, ms", "server's CPU", "note"]
    lines = [head, ["---", "---", *["---:", "---:", "---:", "---:", "---:", "---"] * len(names)]]
    lines += [[one.number, one.what, *[cell for result in results for cell in cells(result)]] for one, results in rows]
    return "".join("| %s |\n" % " | ".join(line) for line in lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--binary", default=parlor.BINARY, help="the server (target/release/parlor)")
    arguments.add_argument("--vs", help="another one, which each attack meets first")
    arguments.add_argument("--only", help="numbers of attacks, or parts of their names, by comma")
    arguments.add_argument("--list", action="store_true", help="say which attacks there are")
    arguments = arguments.parse_args()
    wanted = arguments.only.split(",") if arguments.only else []
    chosen = [it for it in ATTACKS if not wanted or any(it.number == one or len(one) > 2 and one in it.what for one in wanted)]
    if arguments.list or not chosen:
        sys.exit("\n".join("%s  %s" % (it.number, it.what) for it in ATTACKS))
    binaries = {"before": os.path.abspath(arguments.vs)} if arguments.vs else {}
    binaries["now"] = os.path.abspath(arguments.binary)
    os.sched_setaffinity(0, {1})
    rows = []
    for one in chosen:
        results = []
        for name, binary in binaries.items():
            results.append(attack(binary, one))
            print(one.number, one.what, name, *cells(results[-1]), sep=" | ", file=sys.stderr, flush=True)
        rows.append((one, results))
    print(table(list(binaries), rows), end="")


if __name__ == "__main__":
    main()
