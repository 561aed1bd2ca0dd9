#!/usr/bin/env python3
"""Whether crashes.py would find what it looks for.

- Cuts by disk.py are tried on SQLite alone, which keeps each commit with some values of `synchronous`, and loses some with
  others.
- A ledger is told of rooms in which something is wrong.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

sys.dont_write_bytecode = True
import disk  # noqa: E402
from ledger import Findings, Ledger, Room, Seen, Sent  # noqa: E402

COMMITS = 150
CUTS = 100

# Commits one row after another, and waits for a line before each and after the last.
PROGRAM = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = %s" % sys.argv[2])
database.execute("PRAGMA synchronous = %s" % sys.argv[3])
database.execute("PRAGMA wal_autocheckpoint = 40")
database.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")
for number, _ in enumerate(sys.stdin):
    database.execute("INSERT INTO rows VALUES (?, ?)", (number, "x" * (number * 37 % 5000)))
    print(number, flush=True)
"""


class Table:
    """A program that commits rows, and where the trace was at each commit."""

    def __init__(self, case, synchronous, journal="WAL"):
        self.case = case
        folder = tempfile.TemporaryDirectory(prefix="parlor-")
        case.addCleanup(folder.cleanup)
        self.root, self.copy = (os.path.join(folder.name, name) for name in ("data", "copy"))
        os.mkdir(self.root)
        self.recorder = disk.Recorder(self.root)
        case.addCleanup(self.recorder.close)
        self.commits = []
        command = [sys.executable, "-c", PROGRAM, os.path.join(self.root, "rows.db"), journal, synchronous]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **self.recorder.environment}) as process:
            for number in range(COMMITS):
                process.stdin.write("\n")
                process.stdin.flush()
                case.assertEqual(process.stdout.readline(), "%d\n" % number)
                self.commits.append(self.recorder.position())
            process.kill()  # So that the log is not taken into the file at the end.

    def losses(self, traced):
        """Cuts after which a committed row was not there, of CUTS."""
        chance = disk.seeded("cuts")
        found = 0
        for position in sorted(self.moment(chance) for _ in range(CUTS)):
            traced.advance(position)
            disk.write(traced.cut(chance), self.copy)
            kept = self.rows()
            self.case.assertEqual(kept, list(range(len(kept))))
            found += len(kept) < sum(commit <= position for commit in self.commits)
        return found

    def moment(self, chance):
        """Exactly after a commit, or anywhere."""
        if chance.random() < 0.7:
            return chance.choice(self.commits)
        return chance.randrange(self.commits[0], self.commits[-1])

    def rows(self):
        database = sqlite3.connect(os.path.join(self.copy, "rows.db"))
        with contextlib.closing(database):
            self.case.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            if database.execute("SELECT name FROM sqlite_master").fetchall() == []:
                return []
            return [number for number, in database.execute("SELECT number FROM rows ORDER BY number")]


class Cuts(unittest.TestCase):
    def losses(self, *pragmas, without_commits=False):
        table = Table(self, *pragmas)
        return table.losses(table.recorder.disk(without_commits))

    def test_the_trace_tells_all_that_is_written(self):
        table = Table(self, "FULL")
        traced = table.recorder.disk()
        traced.advance(table.recorder.position())
        written = traced.contents()
        self.assertEqual(written, disk.read(table.root, without=["rows.db-shm"]))
        self.assertLessEqual({"rows.db", "rows.db-wal"}, set(written))

    def test_a_log_that_is_synced_loses_no_commit(self):
        self.assertEqual(self.losses("FULL"), 0)

    def test_a_log_that_is_not_loses_some(self):
        self.assertGreater(self.losses("NORMAL"), CUTS / 10)

    def test_a_log_whose_syncs_are_taken_away_loses_some(self):
        self.assertGreater(self.losses("FULL", without_commits=True), CUTS / 10)
        # It is NORMAL to the disk then: as many syncs are left.
        synced = [Table(self, pragma).recorder.disk(True).syncs() for pragma in ("FULL", "NORMAL")]
        self.assertEqual(*synced)

    def test_a_name_that_is_removed_is_so_after_a_sync_of_its_directory(self):
        # The journal that comes back takes the commit with it; EXTRA syncs its directory.
        self.assertGreater(self.losses("FULL", "DELETE"), CUTS / 10)
        self.assertEqual(self.losses("EXTRA", "DELETE"), 0)


class Ledgers(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        for number, key in ((1, None), (2, "k"), (3, None)):
            self.ledger.add(Sent(number, "ann", number, "tea", "ann-%d" % number, None, key))
            self.ledger.add(Seen(number, "ann", "tea", "ann-%d" % number, None, number))
            self.ledger.add(Seen(number, "reader", "tea", "ann-%d" % number, "e", number))

    def found(self, texts, epoch="e", retained={"k": "ann-2"}):
        findings = Findings()
        self.ledger.compare({"tea": Room(epoch, dict(enumerate(texts, 1)), retained)}, findings)
        return dict(findings.counts)

    def test_nothing_is_wrong_with_what_everyone_was_told(self):
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3"]), {})

    def test_messages_may_be_there_that_nobody_was_told_of(self):
        self.ledger.add(Sent(4, "ann", 4, "tea", "ann-4", None, None))
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3"]), {})
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3", "ann-4"]), {})

    def test_each_kind_of_damage_is_found(self):
        self.assertEqual(self.found(["ann-1", "ann-2"]), {"acknowledged and lost": 1})
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3"], epoch="f")["acknowledged and lost"], 3)
        self.assertEqual(self.found([], retained={})["acknowledged and lost"], 3)
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3"], retained={}), {"wrong values": 1})
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3", "ann-3"])["messages kept twice"], 1)
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3", "bob-1"]), {"messages of nobody": 1})
        self.ledger.add(Sent(4, "ann", 4, "tea", "ann-4", None, None))
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-4"]), {"offsets used twice": 1})
        self.ledger.add(Seen(4, "fay", "tea", "ann-4"))
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3"]), {"acknowledged and lost": 1})
        self.ledger.add(Sent(5, "ann", 5, "tea", "ann-5", None, None))
        self.assertEqual(self.found(["ann-1", "ann-2", "ann-3", "ann-5", "ann-4"]), {"messages out of order": 1})

    def test_a_reader_that_missed_one_is_found(self):
        for number in (4, 5):
            self.ledger.add(Sent(number, "ann", number, "tea", "ann-%d" % number, None, None))
        self.ledger.add(Seen(5, "reader", "tea", "ann-5", "e", 5))
        self.assertEqual(self.found(["ann-%d" % number for number in range(1, 6)]), {"holes and repeats of readers": 1})

    def test_what_was_told_after_a_cut_has_not_happened(self):
        self.ledger = self.ledger.until(2)
        self.assertEqual(self.found(["ann-1", "ann-2"]), {})


if __name__ == "__main__":
    parlor.run_tests("trust")
