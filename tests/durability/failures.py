#!/usr/bin/env python3
"""A disk that fails: what operators read, and what clients are told."""

import asyncio
import collections
import contextlib
import errno
import gzip
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
from fixture import SECONDS, Fixture, parlor, post, publish  # noqa: E402

import disk  # noqa: E402
from clients import Http, Load, WebSocket, connection, events  # noqa: E402
from crashes import FLAGS, ROOMS, load_until  # noqa: E402
from examine import Person, examine, read_room  # noqa: E402
from ledger import Findings, Ledger, Seen, Sent  # noqa: E402

# So many send so much at once.
SENDERS, MESSAGES, MESSAGE_BYTES = 100, 60, 8_000
FLOOD_BYTES = SENDERS * MESSAGES * MESSAGE_BYTES


async def welcome(server):
    async with Person(server.port) as person:
        return person.welcome


async def join(server, epoch, offset):
    async with Person(server.port) as person:
        return await person.ask({"type": "join", "room": "tea", "since": {"epoch": epoch, "offset": offset}}, "joined")


def page(server):
    """The messages of `tea`, as they are told."""
    with urllib.request.urlopen("http://127.0.0.1:%d/rooms/tea/messages" % server.port, timeout=SECONDS) as response:
        return json.load(response)


def resident_bytes(server):
    with open("/proc/%d/statm" % server.process.pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def damage(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


class AtTheStart(Fixture):
    def test_a_directory_is_made_for_its_owner_alone(self):
        self.fill("one")
        self.assertEqual(os.stat(self.data).st_mode & 0o777, 0o700)

    def test_a_second_server_is_told_which_the_first_is(self):
        with self.serving() as server:
            said = self.refusal()
            self.assertIn(self.data, said)
            self.assertIn(str(server.process.pid), said)
        # The lock ends with its process, however that ended.
        self.fill("one")

    def test_a_newer_schema_is_refused(self):
        self.fill("one")
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("PRAGMA user_version = 1000")
        said = self.refusal()
        self.assertIn("newer", said)
        self.assertIn("1000", said)

    def checkpoint(self):
        """Takes all of the log into the file."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def test_a_file_that_is_no_database_is_left_alone(self):
        self.fill("one")
        self.checkpoint()
        damage(self.database, 0, b"not a database at all")
        with open(self.database, "rb") as file:
            before = file.read()
        self.assertIn(self.database, self.refusal())
        with open(self.database, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_a_file_that_was_cut_short_is_refused(self):
        self.fill(*("x" * 3000 for _ in range(40)))
        self.checkpoint()
        os.truncate(self.database, os.stat(self.database).st_size // 2)
        self.assertIn(self.database, self.refusal())

    def test_the_torn_end_of_a_log_is_passed_over(self):
        with self.serving() as server:
            for number in range(3):
                post(server, str(number))
        with open(self.database + "-wal", "ab") as log:
            log.write(b"torn" * 300)
        with self.serving() as server:
            self.assertEqual(self.texts(server), ["0", "1", "2"])

    def test_a_directory_that_is_read_only_is_refused(self):
        recorder = self.record()
        recorder.fail(open_error=errno.EROFS)
        self.assertIn(self.data, self.refusal(environment=recorder.environment))

    def test_a_path_that_is_no_directory_is_refused(self):
        with open(self.data, "wb"):
            pass
        self.assertIn(self.data, self.refusal())


    def damage(self, text):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("UPDATE messages SET body = x'4242' WHERE body = ?", (text.encode(),))
            database.commit()

    def test_a_damaged_row_is_logged_and_told_as_a_gap(self):
        self.fill("1", "2", "3", "4")
        self.damage("3")
        for history, last in (("0", "5"), ("100", "6")):
            with self.serving("--history", history) as server:
                room = asyncio.run(read_room(server.port, "tea"))
                self.assertEqual(room.texts, {int(text): text for text in "12456" if text < last})
                server.wait_for_log("offset 3 of the room tea")
                asyncio.run(self.expect_gaps(server, room.epoch, [text for text in "245" if text < last]))
                self.assertEqual(post(server, last)[1]["offset"], int(last))

    async def expect_gaps(self, server, epoch, missed):
        """At each door that tells what was said before, the third message is missing, and said to be."""
        gap = {"from": 3, "to": 3}
        async with Person(server.port) as person, connection(server.port) as streams, \
                connection(server.port) as (stream, writer):
            for page in (await person.ask({"type": "history", "room": "tea", "before": 5}, "history"),
                         (await Http(*streams).request("GET", "/rooms/tea/messages?before=5"))[1]):
                self.assertEqual([message["data"] for message in page["messages"]], ["1", "2", "4"])
                self.assertEqual((page["gaps"], page["more"]), ([gap], False))
            before = await person.ask({"type": "history", "room": "tea", "before": 3}, "history")
            self.assertNotIn("gaps", before)
            found = await person.ask({"type": "search", "room": "tea", "q": "4"}, "found")
            self.assertEqual([message["data"] for message in found["messages"]], ["4"])
            found = await person.ask({"type": "search", "room": "tea", "q": "3"}, "found")
            self.assertEqual((found["messages"], found["gaps"]), ([], [gap]))
            person.send({"type": "join", "room": "tea", "since": {"epoch": epoch, "offset": 1}})
            told, joined = await person.hear(), await person.hear()
            self.assertEqual(told, {"type": "gap", "room": "tea", **gap})
            self.assertEqual((joined["type"], joined["recovered"]), ("joined", True))
            self.assertEqual([message["data"] for message in joined["messages"]], missed)
            again = await join(server, epoch, 3)
            self.assertEqual((again["recovered"], len(again["messages"])), (True, len(missed) - 1))
            writer.write(b"GET /rooms/tea/events HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: %s-1\r\n\r\n"
                         % epoch.encode())
            await stream.readuntil(b"\r\n\r\n")
            heard = []
            async for kind, data in events(stream):
                heard.append((kind, data.get("data") or data.get("recovered") or (data["from"], data["to"])))
                if len(heard) == 2 + len(missed):
                    break
            self.assertEqual(heard, [("gap", (3, 3)), ("joined", True), *(("message", text) for text in missed)])

    def test_a_damaged_newest_row_does_not_empty_a_room(self):
        self.fill("1", "2", "3")
        self.damage("3")

        async def ask(server):
            async with Person(server.port) as person:
                joined = await person.ask({"type": "join", "room": "tea", "last": 9}, "joined")
                self.assertEqual([message["data"] for message in joined["messages"]], ["1", "2"])
                self.assertEqual((joined["offset"], joined["recovered"]), (3, False))
        with self.serving() as server:
            asyncio.run(ask(server))
            self.assertEqual(page(server)["gaps"], [{"from": 3, "to": 3}])

    def test_a_cut_while_an_older_database_is_migrated_loses_nothing(self):
        # See src/shell/store/tests/migration.rs, which knows what is in it.
        packed = os.path.join(os.path.dirname(os.path.abspath(__file__)), "databases", "version1.db.gz")
        os.mkdir(self.data, 0o700)
        with gzip.open(packed) as database, open(self.database, "wb") as file:
            shutil.copyfileobj(database, file)
        old = self.schema(self.data)
        recorder = disk.Recorder(self.data)
        self.addCleanup(recorder.close)
        keep = ("--retain-time", "0")
        with self.serving(*keep, environment=recorder.environment) as server:
            new = self.schema(self.data)
            told = page(server)["messages"]
        self.assertEqual((len(told), told[0]["data"]), (5, "the old kettle"))
        chance, schemas = random.Random(), collections.Counter()
        traced, copy = recorder.disk(), os.path.join(self.folder, "copy")
        points = sorted({record.position for record in disk.records(recorder.trace)})
        for point in points:
            traced.advance(point)
            disk.write(traced.cut(chance), copy)
            # What is there is a whole database, of one version or the other.
            schemas[self.schema(copy)] += 1
            if chance.random() < 10 / len(points):
                with self.serving(*keep, data=copy) as server:
                    self.assertEqual(page(server)["messages"], told)
        self.assertEqual(set(schemas), {old, new})
        self.assertEqual(len({old, new}), 2)

    @staticmethod
    def schema(data):
        """The version, and the tables, of a database that is whole."""
        with contextlib.closing(sqlite3.connect(os.path.join(data, "parlor.db"))) as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
            if found != [("ok",)]:
                raise AssertionError(found)
            version = database.execute("PRAGMA user_version").fetchone()
            return (*version, *database.execute("SELECT sql FROM sqlite_schema").fetchall())


class WhileItRuns(Fixture):
    def start(self, *flags):
        self.recorder = self.record()
        server = self.serving(*flags, environment=self.recorder.environment)
        self.server = server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        status, answer, _ = post(self.server, "before")
        self.assertEqual(status, 200)
        self.epoch = answer["epoch"]

    def after_a_restart(self):
        self.server.process.kill()
        self.server.process.wait()
        with self.serving() as server:
            return self.texts(server)

    def assert_stops(self):
        """Who sends a message is refused, if the server is still there, and the server says why it ends."""
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            status, answer, fields = post(self.server, "after")
            self.assertEqual((status, answer["status"]), (503, 503), answer)
            self.assertGreater(int(fields["Retry-After"]), 0)
        self.assertEqual(self.server.process.wait(SECONDS), 1)
        self.server.wait_for_log("parlor: cannot keep messages in %s" % self.data)

    def assert_goes_on_in_memory(self):
        # Which it may have noticed before: then the message is in memory, and the room has a new epoch.
        status, answer, _ = post(self.server, "refused or not")
        self.assertTrue(status == 503 or answer["epoch"] != self.epoch, answer)
        self.server.wait_for_log("from now on they are in memory alone")
        # Even if all is well again, for what was written last may not be what the kernel says.
        self.recorder.fail()
        self.assertEqual(post(self.server, "in memory")[0], 200)
        self.assertEqual(self.texts(self.server)[-1], "in memory")
        self.assertEqual(asyncio.run(welcome(self.server))["durability"], "memory")

    def test_a_full_disk_refuses_messages_until_there_is_space(self):
        self.start()
        self.recorder.fail(grow_error=errno.ENOSPC)
        status, answer, fields = post(self.server, "refused")
        self.assertEqual((status, answer["status"]), (503, 503), answer)
        self.assertGreater(int(fields["Retry-After"]), 0)
        answer = publish(self.server, "refused")
        self.assertEqual((answer["type"], answer.get("code")), ("error", "unavailable"), answer)
        self.assertGreater(answer["retry_ms"], 0)
        self.server.wait_for_log("no space")
        self.assertEqual(self.texts(self.server), ["before"])
        self.recorder.fail()
        self.assertEqual(post(self.server, "after")[1]["offset"], 2)
        self.assertEqual(self.after_a_restart(), ["before", "after"])

    def test_a_sync_that_fails_stops_the_server(self):
        self.start()
        self.recorder.fail(sync_error=errno.EIO)
        self.assert_stops()
        self.assertEqual(self.after_a_restart()[0], "before")

    def test_a_write_that_fails_stops_the_server(self):
        self.start()
        self.recorder.fail(write_error=errno.EIO)
        self.assert_stops()
        self.assertEqual(self.after_a_restart(), ["before"])

    def test_who_waits_is_refused_and_who_is_connected_is_told_before_the_server_ends(self):
        self.start("--drain-timeout", "1")

        async def ask():
            async with Person(self.server.port) as person, connection(self.server.port) as streams, \
                    connection(self.server.port) as plain:
                http, listener = Http(*streams), await WebSocket(*plain).open("/ws/tea")
                self.recorder.fail(sync_error=errno.EIO)
                person.send({"type": "publish", "room": "tea", "data": "lost", "id": 1})
                refused, bye = await person.hear(), await person.hear()
                self.assertEqual((refused["type"], refused["id"], refused["code"]), ("error", 1, "unavailable"))
                self.assertGreater(refused["retry_ms"], 0)
                self.assertEqual((bye["type"], bye["code"]), ("bye", 1001))
                with self.assertRaisesRegex(ConnectionError, "closed"):
                    await person.hear()
                # One who does not answer the close is not waited for without an end.
                with self.assertRaisesRegex(ConnectionError, "closed"):
                    await listener.receive()
                with self.assertRaises(asyncio.IncompleteReadError):
                    await http.request("GET", "/rooms/tea/messages")
        asyncio.run(asyncio.wait_for(ask(), SECONDS))
        self.assertEqual(self.server.process.wait(SECONDS), 1)
        self.server.wait_for_log("parlor: cannot keep messages in %s" % self.data)
        self.assertEqual(self.after_a_restart()[0], "before")

    def test_a_directory_that_was_removed_stops_the_server(self):
        self.start()
        shutil.rmtree(self.data)
        self.assert_stops()

    def test_a_sync_that_fails_or_the_server_goes_on_in_memory(self):
        self.start("--on-disk-error", "memory")
        self.recorder.fail(sync_error=errno.EIO)
        self.assert_goes_on_in_memory()
        self.assertNotIn("in memory", self.after_a_restart())

    def test_a_directory_that_was_removed_or_the_server_goes_on_in_memory(self):
        self.start("--on-disk-error", "memory")
        shutil.rmtree(self.data)
        self.assert_goes_on_in_memory()

    def talk_behind(self, ledger, run, recorder, end=signal.SIGKILL):
        """Clients talk to a server that acknowledges before it writes, until it is ended."""
        environment = recorder.environment if recorder else {}
        with self.serving(*FLAGS, "--durability", "memory", environment=environment) as server:
            server.line_port = int(server.process.stdout.readline().rsplit(":", 1)[1])
            load = Load(ledger, ROOMS, run, recorder.position if recorder else lambda: 0)
            asyncio.run(load_until(server, load, 0.3, lambda: server.process.send_signal(end)))
            server.process.wait(SECONDS)

    def assert_epochs_are_new(self, ledger, data):
        """Not all is there that was told: so no offset that was told may mean anything any more."""
        with self.serving("--rate", "0", "--durability", "memory", data=data) as server:
            rooms = {name: asyncio.run(read_room(server.port, name)) for name in ROOMS}
        told = {entry.epoch for entry in ledger.entries if isinstance(entry, Seen)} - {None}
        self.assertEqual(told & {room.epoch for room in rooms.values()}, set())
        findings = Findings()
        # But what is there was sent, once, and in this order.
        Ledger(entry for entry in ledger.entries if isinstance(entry, Sent)).compare(rooms, findings)
        self.assertEqual(findings.counts, {}, findings.examples)
        return told

    def test_what_is_written_behind_is_all_there_after_an_end_in_order(self):
        ledger = Ledger()
        for run in range(3):
            self.talk_behind(ledger, run, None, signal.SIGTERM)
            with self.serving(*FLAGS) as server:
                findings = asyncio.run(examine(server.port, ledger, random.Random()))
            self.assertEqual(findings.counts, {}, findings.examples)

    def test_what_is_written_behind_has_a_new_epoch_after_each_crash(self):
        ledger = Ledger()
        for run in range(3):
            self.talk_behind(ledger, run, None)
            told = self.assert_epochs_are_new(ledger, self.data)
        self.assertGreater(len(told), len(ROOMS))

    def test_what_is_written_behind_has_a_new_epoch_after_a_power_cut(self):
        ledger, recorder, chance = Ledger(), self.record(), random.Random()
        self.talk_behind(ledger, 0, recorder)
        traced, copy = recorder.disk(), os.path.join(self.folder, "copy")
        told = {entry.position for entry in ledger.entries if isinstance(entry, Seen)}
        for point in sorted(chance.sample(sorted(told), 10)):
            traced.advance(point)
            disk.write(traced.cut(chance), copy)
            self.assert_epochs_are_new(ledger.until(point), copy)

    def test_nobody_else_waits_for_a_slow_disk(self):
        self.start()
        self.recorder.fail(sync_milliseconds=2000)

        async def ask():
            async with Person(self.server.port) as person, connection(self.server.port) as streams:
                publish = asyncio.create_task(
                    person.ask({"type": "publish", "room": "tea", "data": "slow", "id": 1}, "ok"))
                await asyncio.sleep(0)
                history = (await Http(*streams).request("GET", "/rooms/tea/messages"))[1]
                self.assertFalse(publish.done())
                self.assertEqual([message["data"] for message in history["messages"]], ["before"])
                self.assertEqual((await publish)["offset"], 2)
        asyncio.run(asyncio.wait_for(ask(), SECONDS))

    def test_a_flood_into_a_slow_disk_does_not_fill_the_memory(self):
        self.start("--rate", "0", "--connect-rate", "0", "--max-memory", "4194304")
        self.recorder.fail(sync_milliseconds=1000)
        before = resident_bytes(self.server)
        self.most = before
        answers = asyncio.run(asyncio.wait_for(self.flood(), 3 * SECONDS))
        # Which is less than the half of what it would hold without a bound: it has buffers, and pages of the database.
        self.assertLess(self.most - before, FLOOD_BYTES * 3 / 4)
        self.assertEqual(set(answers) - {"ok", "unavailable"}, set())
        self.assertEqual(len(self.after_a_restart()), 1 + answers["ok"])

    async def flood(self):
        """Many send more at once than the server may hold. Gives how they were answered."""
        answers = collections.Counter()
        await asyncio.gather(*(self.send_many(answers) for _ in range(SENDERS)))
        return answers

    async def send_many(self, answers):
        async with Person(self.server.port) as person:
            async def send():
                for number in range(MESSAGES):
                    # Bytes, which are not searched: the disk is to be slow, not the server.
                    person.send({"type": "publish", "room": "tea", "id": number, "binary": "x" * MESSAGE_BYTES})
                    await person.drain()
            sending = asyncio.create_task(send())
            answered = 0
            while answered < MESSAGES:
                event = await person.hear()
                self.most = max(self.most, resident_bytes(self.server))
                # The first sync has ended: all that the server takes meanwhile it has taken.
                self.recorder.fail()
                if event["type"] in ("ok", "error"):
                    answered += 1
                    answers[event.get("code", "ok")] += 1
                    if "code" in event:
                        self.assertGreater(event["retry_ms"], 0)
            await sending


if __name__ == "__main__":
    parlor.run_tests("failures")
