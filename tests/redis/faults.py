#!/usr/bin/env python3
"""Runs with random faults, and a table of what came of them.

usage: faults.py [RUNS [FIRST_SEED]]   10 of each kind, unless told otherwise; a run is repeated with its seed

Three nodes, each with its own way to Redis, have people at all doors. Redis appends each message to its file before it
answers, so nothing that was acknowledged may be lost, but for the last kind, which deletes everything.
"""

import collections
import random
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True
import history  # noqa: E402
from crowd import crowd_at  # noqa: E402
from nodes import Case  # noqa: E402

RUNS = 10
# How many faults a run has, and how many messages are acknowledged before each of them and after the last.
FAULTS_OF_A_RUN = 3
BETWEEN = 25
PACE = 0.02
# Shorter than what ends a connection to Redis, and longer.
SHORT, LONG = (0.1, 2), (5.5, 8)
EVERYTHING = "several at once"
LOSES = "all keys deleted"


class World(Case):
    """What a run has."""

    def nothing(self):
        """It is the fixture of a run, and no test."""

    def build(self, chance):
        self.chance = chance
        self.redis = self.start_redis("--appendonly", "yes", "--appendfsync", "always")
        self.proxies = [self.start_proxy(self.redis) for _ in range(3)]
        self.flags = self.secret_flags()
        self.nodes = [self.start_node(self.url(place), flags=self.flags) for place in range(3)]
        return self

    def url(self, place):
        return "redis://127.0.0.1:%d" % self.proxies[place].port

    def a_proxy(self):
        return self.chance.choice(self.proxies)

    def a_while(self):
        return self.chance.uniform(*self.chance.choice([SHORT, SHORT, LONG]))


def cut(world):
    for proxy in world.chance.sample(world.proxies, world.chance.randint(1, 3)):
        proxy.cut(is_reset=world.chance.random() < 0.5)


def cut_in_a_message(world):
    world.a_proxy().cut_after(world.chance.randrange(3000), is_reset=world.chance.random() < 0.5)


def partition(world):
    proxy = world.a_proxy()
    proxy.stall()
    time.sleep(world.a_while())
    # The network is back, or has forgotten the connections.
    if world.chance.random() < 0.5:
        proxy.cut()
    proxy.go_on()


def slow_network(world):
    proxy = world.a_proxy()
    proxy.slow_down(world.chance.randrange(10_000, 100_000))
    time.sleep(world.chance.uniform(*SHORT))
    proxy.slow_down(None)


def lost_messages(world):
    world.a_proxy().drop_messages(world.chance.randint(1, 20))


def stopped(world):
    world.redis.stop()
    time.sleep(world.a_while())
    world.redis.go_on()


def killed(world):
    world.redis.kill()
    time.sleep(world.chance.uniform(*SHORT))
    world.redis.start()


def commands(world):
    for words in world.chance.sample([("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal"),
                                      ("CLIENT", "KILL", "TYPE", "pubsub"), ("CLIENT", "PAUSE", 500, "ALL")], 2):
        world.redis.ask(*words)


def killed_node(world):
    place = world.chance.randrange(3)
    world.nodes[place].process.kill()
    time.sleep(world.chance.uniform(0, 1))
    world.nodes[place] = world.start_node(world.url(place), flags=world.flags)


def stopped_node(world):
    node = world.chance.choice(world.nodes)
    node.signal(signal.SIGSTOP)
    time.sleep(world.a_while())
    node.signal(signal.SIGCONT)


def upgraded_node(world):
    world.chance.choice(world.nodes).upgrade()


def deleted(world):
    world.redis.ask("FLUSHALL")


KINDS = {
    "connection cut": cut, "connection cut in a message": cut_in_a_message, "node without Redis": partition,
    "slow network": slow_network, "pub/sub messages lost": lost_messages, "Redis stopped": stopped,
    "Redis killed": killed, "scripts, clients, pauses": commands, "node killed": killed_node,
    "node stopped": stopped_node, "node upgraded": upgraded_node,
}


def random_fault(world):
    # Who is killed cannot be upgraded any more: those two are apart.
    world.chance.choice([fault for fault in KINDS.values() if fault is not upgraded_node])(world)


ROWS = {**KINDS, EVERYTHING: random_fault, LOSES: deleted}


class Row:
    def __init__(self):
        self.runs = self.acknowledged = 0
        self.longest_pause = 0
        self.findings = history.Findings()

    def add(self, told, may_lose):
        findings = told.check(may_lose)
        self.runs += 1
        self.acknowledged += told.acknowledged()
        self.longest_pause = max(self.longest_pause, told.longest_pause)
        self.findings.extend(findings)
        return findings

    def counts(self):
        counts = self.findings.counts
        lost, doubled = counts[history.LOST], counts[history.DOUBLED]
        out_of_order = counts[history.UNORDERED] + counts[history.FORKED] + counts[history.REPEATED]
        return [lost, doubled, out_of_order, sum(counts.values()) - lost - doubled - out_of_order]


def run(name, seed):
    """One run; what people were told."""
    world = World("nothing")
    world.setUp()
    try:
        world.build(random.Random("%s:%d" % (name, seed)))
        with crowd_at(world.nodes, seed=seed, pace=PACE) as crowd:
            for _ in range(FAULTS_OF_A_RUN):
                crowd.wait_for(BETWEEN)
                ROWS[name](world)
            crowd.wait_for(BETWEEN)
            return crowd.finish()
    finally:
        world.doCleanups()


def print_table(rows):
    titles = ["runs", "acknowledged", "lost", "doubled", "out of order", "anything else wrong", "longest pause"]
    print("\n%-29s %s" % ("", "  ".join(titles)))
    for name, row in rows.items():
        values = [row.runs, row.acknowledged, *row.counts(), "%.1f s" % row.longest_pause]
        print("%-29s %s" % (name, "  ".join(str(value).rjust(len(title)) for value, title in zip(values, titles))))


class Faults(unittest.TestCase):
    """The short form of the table: one run of the richest kinds."""

    def check(self, name, seed):
        told = run(name, seed)
        findings = told.check(may_lose=name == LOSES)
        self.assertEqual(dict(findings.counts), {}, "seed %d: %s" % (seed, "\n".join(findings.examples)))
        self.assertGreater(told.acknowledged(), FAULTS_OF_A_RUN * BETWEEN)

    def test_several_at_once(self):
        for seed in (1, 2):
            self.check(EVERYTHING, seed)

    def test_a_network_in_parts(self):
        self.check("node without Redis", 1)

    def test_all_keys_deleted(self):
        self.check(LOSES, 1)


def main():
    count, first = (list(map(int, sys.argv[1:])) + [RUNS, 1][len(sys.argv) - 1:])[:2]
    rows, failures = collections.defaultdict(Row), 0
    for seed in range(first, first + count):
        for name in ROWS:
            try:
                findings = rows[name].add(run(name, seed), may_lose=name == LOSES)
            except AssertionError as error:
                failures += 1
                print("%s, seed %d: %s" % (name, seed, error), flush=True)
                continue
            for example in findings.examples:
                print("%s, seed %d: %s" % (name, seed, example), flush=True)
    print_table(rows)
    wrong = sum(sum(row.counts()) for row in rows.values()) + failures
    print("redis-faults: %d passed, %d failed" % (sum(row.runs for row in rows.values()), wrong))
    sys.exit(wrong > 0 or not rows)


if __name__ == "__main__":
    main()
