#!/usr/bin/env python3
"""Measures nodes on one Redis: how many people a message reaches, what Redis adds, and what grows with nodes, rooms and people.

usage: nodes.py [CASE...]   people, latency, nodes, rooms or receivers; without, all of them

Redis keeps no file here. What is compared is measured in turn, and the median of three rounds is told. The CPU time of nodes
and of Redis is what the kernel says. For a message it is the difference of a long and a short run: what it takes to come and to
go is in both.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(FOLDER), "redis"))
sys.path.insert(0, os.path.dirname(FOLDER))

import parlor
import stores

BENCH = os.path.join(os.path.dirname(parlor.BINARY), "parlor-bench")
FLAGS = ["--bind", "127.0.0.1", "--rate", "0", "--max-per-address", "0", "--connect-rate", "0", "--max-connections", "16000"]
ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


def median(values):
    return sorted(values)[len(values) // 2]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Site:
    """Nodes, on a Redis unless there is none."""

    def __init__(self, nodes, has_redis=True):
        self._stack = contextlib.ExitStack()
        self.redis = None
        flags = FLAGS
        if has_redis:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            redis = stores.Redis(os.path.join(folder, "redis"), "--maxclients", "100")
            self._stack.callback(redis.close)
            self.redis, flags = redis.pid, [*FLAGS, "--redis", redis.url]
        self.nodes = [parlor.Server(*flags) for _ in range(nodes)]
        for node in self.nodes:
            self._stack.callback(node.kill)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def load(self, *options, seconds=4):
        """What parlor-bench reports, with the CPU time that was spent in seconds."""
        processes = {"redis": [self.redis] if self.redis else [], "nodes": [node.process.pid for node in self.nodes]}
        urls = [f"ws://127.0.0.1:{node.port}/ws/bench" for node in self.nodes]
        before = {kind: sum(map(cpu_seconds, pids)) for kind, pids in processes.items()}
        done = subprocess.run([BENCH, "--json", "-q", "--seconds", str(seconds), "--warmup", "0", *options, *urls],
                              stdout=subprocess.PIPE, text=True, check=True)
        report = json.loads(done.stdout)
        for kind, pids in processes.items():
            report[kind] = sum(map(cpu_seconds, pids)) - before[kind]
        return report

    def cost(self, *options):
        """The CPU time of a message, of the nodes and of Redis, in microseconds."""
        short, long = (self.load(*options, seconds=seconds) for seconds in (1, 6))
        messages = long["messages"] - short["messages"]
        long.update({kind + "_us": 1e6 * (long[kind] - short[kind]) / messages for kind in ("nodes", "redis")})
        return long


def in_turn(sites, measure):
    """The reports of each site, one round after the other."""
    reports = {name: [] for name in sites}
    for _ in range(ROUNDS):
        for name, site in sites.items():
            reports[name].append(measure(site))
    return reports


def middle(reports, *path):
    def value(report):
        for part in path:
            report = report[part]
        return report
    return median([value(report) for report in reports])


def people():
    """Three nodes with 5,000 people each, in one room."""
    with Site(3) as site:
        reports = [site.load("-c", "15000", seconds=6) for _ in range(ROUNDS)]
    print("15,000 people at three nodes, one message in flight:")
    print("  deliveries/s %d, a message reaches all in p50 %.0f ms, p99 %.0f ms" % (
        middle(reports, "deliveries_per_second"), middle(reports, "latency_us", "p50") / 1e3,
        middle(reports, "latency_us", "p99") / 1e3))
    print("  messages %d, faults: %s" % (sum(it["messages"] for it in reports), [it["faults"] for it in reports
                                                                              if not it["clean"]] or "none"))


def latency():
    """What Redis adds to a message that its sender, or somebody at another node, gets."""
    with Site(1, has_redis=False) as alone, Site(1) as one, Site(2) as two:
        sites = {"in memory": alone, "one node on Redis": one, "two nodes on Redis": two}
        reports = in_turn(sites, lambda site: site.load("-c", "2", "--door", "json"))
    print("one sender, one message in flight, two receivers (us):")
    for name, of_one in reports.items():
        print("  %-20s p50 %4d  p99 %4d" % (name, middle(of_one, "latency_us", "p50"), middle(of_one, "latency_us", "p99")))


def nodes():
    """1,000 receivers and ten senders at one, two and four processes."""
    for what, options in (("as fast as it goes, 10 senders with 32 in flight each", ("-s", "10", "-w", "32")),
                          ("500 messages a second", ("-s", "10", "-r", "500"))):
        with Site(1, has_redis=False) as alone, Site(1) as one, Site(2) as two, Site(4) as four:
            sites = {"memory, 1": alone, "Redis, 1": one, "Redis, 2": two, "Redis, 4": four}
            reports = in_turn(sites, lambda site: site.cost("-c", "1000", *options))
        print("1,000 receivers, %s:" % what)
        print("  %-10s %13s %10s %14s %14s" % ("nodes", "deliveries/s", "messages/s", "nodes us/msg", "Redis us/msg"))
        for name, of_one in reports.items():
            print("  %-10s %13d %10d %14.0f %14.0f" % (
                name, middle(of_one, "deliveries_per_second"), middle(of_one, "messages") / 6, middle(of_one, "nodes_us"),
                middle(of_one, "redis_us")))


def rooms():
    """What a message costs Redis in one room and in 10,000."""
    with Site(1) as one, Site(1) as many:
        of_one = [one.cost("-c", "10", "-s", "10", "-r", "2000") for _ in range(ROUNDS)]
        of_many = [many.cost("--rooms", "10000", "--members", "1", "-r", "2000") for _ in range(ROUNDS)]
    print("2,000 messages a second:")
    for name, reports in (("1 room", of_one), ("10,000 rooms", of_many)):
        print("  %-13s Redis %3.0f us/msg, node %3.0f us/msg, p99 %.1f ms" % (
            name, middle(reports, "redis_us"), middle(reports, "nodes_us"), middle(reports, "latency_us", "p99") / 1e3))


def receivers():
    """What a message costs a node as its members grow."""
    print("20 messages a second in one room at one node:")
    with Site(1, has_redis=False) as alone, Site(1) as one:
        for count in ("10", "1000", "5000", "10000"):
            options = ("-c", count, "-r", "20")
            reports = in_turn({"memory": alone, "Redis": one}, lambda site: site.cost(*options))
            costs = {name: middle(of_one, "nodes_us") for name, of_one in reports.items()}
            print("  %6s members: in memory %7.0f us/msg, on Redis %7.0f us/msg" % (count, costs["memory"], costs["Redis"]))


CASES = {case.__name__: case for case in (people, latency, nodes, rooms, receivers)}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        CASES[chosen]()
