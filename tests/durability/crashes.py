#!/usr/bin/env python3
"""Kills a server with SIGKILL, and cuts the power of its disk, while clients talk at several doors. Each time it starts
again on what is left, and the clients compare what they were told before with what they are told now.

usage: crashes.py [KILLS [CUTS]]   300 of each, unless told otherwise

A cut is one of disk.py: a process that is killed leaves all that it has written in the kernel's memory, and so shows
nothing about syncs. The same cuts with the syncs of commits taken away have to lose something, or they show nothing either.

Works in target/durability, and leaves there the directories that something was wrong with.
"""

import asyncio
import contextlib
import os
import random
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

import clients  # noqa: E402
import disk  # noqa: E402
from examine import examine  # noqa: E402
from ledger import Findings, Ledger, Seen  # noqa: E402

ROOMS = ["tea", "plant", "mixed"]
FOLDER = os.path.join(parlor.ROOT, "target", "durability")
# No limit on what one address may do. What a room remembers in memory is less than what the clients ask for.
FLAGS = ["--bind", "127.0.0.1", "--line-port", "0", "--rate", "0", "--connect-rate", "0", "--max-per-address", "0",
         "--max-per-person", "0", "--history", "100"]
# A room grows as long as a directory is used, and is read as a whole after each crash.
KILLS_OF_A_DIRECTORY = 10
LOADS_OF_A_DIRECTORY = 3
CUTS_OF_A_LOAD = 10
LONGEST_LOAD = 0.4
PLANTED = "power cut, commits not synced (planted)"
SECONDS = 30


@contextlib.contextmanager
def serving(data, environment={}):
    with parlor.serving(*FLAGS, "--data", data, environment=environment) as server:
        server.line_port = int(server.process.stdout.readline().rsplit(":", 1)[1])
        yield server


class Table:
    """What was found, a row for each kind of crash."""

    COLUMNS = ["acknowledged and lost", "offsets used twice", "readers not recovered"]

    def __init__(self):
        self.rows = {}

    def row(self, name):
        return self.rows.setdefault(name, Row(keeps_evidence=name != PLANTED))

    def print(self):
        print("\n%-44s %5s %12s  %s" % ("", "runs", "acknowledged", "  ".join(self.COLUMNS + ["anything else wrong"])))
        for name, row in self.rows.items():
            others = sum(count for kind, count in row.findings.counts.items() if kind not in self.COLUMNS)
            counts = [row.findings.counts[kind] for kind in self.COLUMNS] + [others]
            print("%-44s %5d %12d  %s" % (name, row.runs, row.acknowledged, "  ".join(
                str(count).rjust(len(title)) for count, title in zip(counts, self.COLUMNS + ["anything else wrong"]))))


class Row:
    def __init__(self, keeps_evidence):
        self.keeps_evidence = keeps_evidence
        self.runs = self.acknowledged = 0
        self.findings = Findings()

    def add(self, data, findings, acknowledged):
        """What was found in a directory, in which so many messages had to be."""
        self.runs += 1
        self.acknowledged += acknowledged
        self.findings.extend(findings)
        if findings.counts and self.keeps_evidence:
            shutil.copytree(data, os.path.join(FOLDER, "failed-%s-%d" % (os.path.basename(data), self.runs)),
                            ignore=shutil.ignore_patterns("*.sock"))


async def load_until(server, load, seconds, end):
    """Clients talk for so long after the first of them was answered, and `end` ends the server."""
    talk = asyncio.create_task(load.run(server.port, server.line_port))
    before = load.ledger.acknowledged()
    deadline = asyncio.get_running_loop().time() + SECONDS
    while load.ledger.acknowledged() == before:
        assert not talk.done() and asyncio.get_running_loop().time() < deadline, load.refused
        await asyncio.sleep(0.005)
    await asyncio.sleep(seconds)
    end()
    await asyncio.wait_for(talk, SECONDS)
    return load.ledger.acknowledged() - before


def killed(row, runs):
    chance = random.Random()
    for run in range(runs):
        if run % KILLS_OF_A_DIRECTORY == 0:
            ledger, data = Ledger(), os.path.join(FOLDER, "killed-%d" % run)
        with serving(data) as server:
            load = clients.Load(ledger, ROOMS, run)
            acknowledged = asyncio.run(load_until(server, load, chance.random() * LONGEST_LOAD, server.process.kill))
        with serving(data) as server:
            row.add(data, asyncio.run(examine(server.port, ledger, chance)), acknowledged)


def cut(row, planted, runs, planted_runs):
    """Each load is cut at several points; the next goes on with what the last cut has left."""
    chance = random.Random()
    root, copy = (os.path.join(FOLDER, name) for name in ("cut", "copy"))
    os.mkdir(root, 0o700)
    recorder = disk.Recorder(root)
    with contextlib.closing(recorder):
        for run in range(0, runs, CUTS_OF_A_LOAD):
            if run % (CUTS_OF_A_LOAD * LOADS_OF_A_DIRECTORY) == 0:
                ledger = Ledger()
                disk.write({".": None}, root)
            recorder.begin()
            with serving(root, recorder.environment) as server:
                load = clients.Load(ledger, ROOMS, run, recorder.position)
                # A process that is killed may have done something last that it has not recorded.
                asyncio.run(load_until(server, load, LONGEST_LOAD, server.process.terminate))
                server.process.wait(SECONDS)
            compare_trace(recorder)
            end, count = recorder.position(), min(CUTS_OF_A_LOAD, runs - run)
            cut_along(planted, recorder.disk(True), end, ledger, min(count, planted_runs - planted.runs), chance, copy)
            ledger = cut_along(row, recorder.disk(), end, ledger, count, chance, copy)
            disk.write(disk.read(copy), root)


def compare_trace(recorder):
    """The trace has to tell all that is in the directory, or the cuts are not what they seem."""
    disk_at_the_end = recorder.disk()
    disk_at_the_end.advance(recorder.position())
    written = disk_at_the_end.contents()
    found = disk.read(recorder.root, without=disk_at_the_end.mapped)
    assert written == found, [name for name in {*written, *found} if written.get(name, 0) != found.get(name, 0)]


def cut_along(row, traced, end, ledger, count, chance, copy):
    """Cuts at `count` points of the trace, most of them right after somebody was told something. Gives the ledger of the
    last."""
    told = sorted({entry.position for entry in ledger.entries if isinstance(entry, Seen)} - {0})
    points = sorted(chance.choice(told) if told and chance.random() < 0.7 else chance.randrange(end)
                    for _ in range(count))
    for point in points:
        traced.advance(point)
        disk.write(traced.cut(chance), copy)
        ledger_then = ledger.until(point)
        acknowledged = ledger_then.acknowledged()
        with serving(copy) as server:
            row.add(copy, asyncio.run(examine(server.port, ledger_then, chance)), acknowledged)
    return ledger_then if points else ledger


def main():
    kills, cuts = (list(map(int, sys.argv[1:])) + [300, 300])[:2]
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    table = Table()
    killed(table.row("kill -9"), kills)
    cut(table.row("power cut"), table.row(PLANTED), cuts, max(4, cuts // 10))
    table.print()
    checks = {}
    for name, row in table.rows.items():
        if name == PLANTED:
            checks["%s: caught" % name] = row.findings.counts["acknowledged and lost"] > 0
        else:
            print(*row.findings.examples, sep="\n")
            checks["%s: nothing wrong" % name] = not row.findings.counts and row.acknowledged > 0
    for name, held in checks.items():
        print("%s: %s" % ("ok" if held else "FAILED", name))
    print("crashes: %d passed, %d failed" % (sum(checks.values()), len(checks) - sum(checks.values())))
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
