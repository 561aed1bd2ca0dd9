#!/usr/bin/env python3
"""`parlor export`, `parlor import` and `parlor backup`, also beside a server that clients talk to."""

import asyncio
import base64
import contextlib
import dataclasses
import errno
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
from fixture import SECONDS, Fixture, parlor, post, run  # noqa: E402

import disk  # noqa: E402
from clients import Load  # noqa: E402
from crashes import FLAGS, ROOMS  # noqa: E402
from examine import Person, fetch_files, read_room  # noqa: E402
from ledger import Findings, Ledger, Seen, Sent, Stored  # noqa: E402

TEXTS = ["", "x" * 3000, "two\nlines", "tab\tand \x1b[31mcolour", "茶 😀", '"quoted" \\ back', "\0"]
JSONS = [None, True, -0.5, 1e300, [], {"a": [1, {"b": None}], "é": "ü"}, 12345678901234567890]
SEEDS = 20


def parlor_run(*arguments, stdin=""):
    return run(parlor.BINARY, *arguments, stdin=stdin)


class Transfer(Fixture):
    def parlor(self, *arguments, stdin=""):
        """What a command prints that succeeds."""
        done = parlor_run(*arguments, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def export(self, *flags, data=None):
        return self.parlor("export", "--data", data or self.data, *flags)

    def lines(self, *flags, data=None):
        return [json.loads(line) for line in self.export(*flags, data=data).splitlines()]

    def talk(self, chance):
        """Messages of all kinds in some rooms, from several people."""
        async def talk():
            async with Person(self.server.port) as one, Person(self.server.port) as other:
                await other.ask({"type": "login", "name": "Ana Lú"}, "welcome")
                for number in range(chance.randrange(1, 40)):
                    what = chance.choice([
                        {"data": chance.choice(TEXTS)}, {"data": chance.choice(JSONS)},
                        {"binary": base64.b64encode(chance.randbytes(chance.randrange(40))).decode()}])
                    about = chance.choice([{}, {"key": "k%d" % chance.randrange(3)},
                                           {"key": "k%d" % chance.randrange(3), "retain": True}])
                    answer = await chance.choice([one, other]).ask(
                        {"type": "publish", "id": 1, "room": chance.choice(["tea", "茶", "a.b:c"]), **what, **about}, "ok")
                    self.assertEqual(answer["type"], "ok", answer)
        asyncio.run(talk())

    def told(self, server):
        """What a server tells of its rooms, but for their epochs."""
        async def ask():
            found = {}
            async with Person(server.port) as person:
                for room in ("tea", "茶", "a.b:c"):
                    history = await person.ask({"type": "history", "room": room, "limit": 300, "id": 1}, "history")
                    joined = await person.ask({"type": "join", "room": room, "id": 2}, "joined")
                    found[room] = (history["messages"], joined["retained"], joined["offset"])
            return found
        return asyncio.run(ask())

    def test_what_is_exported_can_be_imported(self):
        for seed in range(SEEDS):
            shutil.rmtree(self.data, ignore_errors=True)
            other = os.path.join(self.folder, "other-%d" % seed)
            with self.serving("--rate", "0") as self.server:
                self.talk(random.Random(seed))
                told = self.told(self.server)
                exported = self.export()
            self.assertEqual(self.export(), exported)
            self.parlor("import", "--data", other, stdin=exported)
            with self.serving(data=other) as server:
                self.assertEqual(self.told(server), told)
                # Beside a server that runs.
                again = self.lines(data=other)
            before = [json.loads(line) for line in exported.splitlines()]
            epochs = [{line.pop("epoch") for line in lines} for lines in (again, before)]
            self.assertEqual(again, before)
            # Offsets that an export does not have may have been given to other messages.
            self.assertEqual(epochs[0] & epochs[1], set())

    def test_a_room_alone_and_as_text(self):
        self.fill("one", "two\nlines \x1b[31m")
        with self.serving() as server:
            post(server, "elsewhere", room="mate")
        self.assertEqual([line["data"] for line in self.lines("--room", "mate")], ["elsewhere"])
        self.assertEqual(len(self.lines()), 3)
        text = self.export("--room", "tea", "--format", "txt")
        self.assertRegex(text, r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ guest-\w+: one\n"
                               r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ guest-\w+: two / lines \[31m\n\Z")

    def test_a_room_that_is_not_there(self):
        self.fill("one")
        said = self.assert_fails(parlor_run("export", "--data", self.data, "--room", "tee"))
        self.assertIn("tee", said)
        nothing = os.path.join(self.folder, "nothing")
        self.assertIn(nothing, self.assert_fails(parlor_run("export", "--data", nothing)))
        self.assertFalse(os.path.exists(nothing))

    def test_an_import_is_whole_or_nothing(self):
        self.fill("one", "two")
        lines = self.export().splitlines()
        for number, bad in ((2, "hello"), (2, lines[0]), (2, lines[1].replace('"tea"', '"t e a"')),
                            (1, lines[0].replace('"room"', '"rum"'))):
            broken = lines[:number - 1] + [bad]
            other = os.path.join(self.folder, "other")
            said = self.assert_fails(parlor_run("import", "--data", other, stdin="\n".join(broken)))
            self.assertIn("line %d" % number, said)
            self.assertEqual(self.export(data=other), "")
            shutil.rmtree(other)

    def test_an_import_that_is_killed_is_none(self):
        self.fill(*map(str, range(50)))
        lines = self.export()
        other = os.path.join(self.folder, "other")
        with subprocess.Popen([parlor.BINARY, "import", "--data", other], stdin=subprocess.PIPE, text=True) as process:
            # More than a pipe holds: most of it was read.
            for number in range(100):
                process.stdin.write(lines.replace('"tea"', '"tea-%d"' % number))
            process.stdin.flush()
            process.kill()
        self.assertEqual(self.export(data=other), "")
        self.parlor("import", "--data", other, stdin=lines)
        self.assertEqual(len(self.lines(data=other)), 50)

    def test_a_full_disk(self):
        self.fill(*("x" * 5000 for _ in range(20)))
        lines = self.export()
        for command in ("backup", "import"):
            where = os.path.join(self.folder, command)
            os.mkdir(where)
            recorder = disk.Recorder(where)
            self.addCleanup(recorder.close)
            arguments = [self.data, os.path.join(where, "copy.db")] if command == "backup" else [where]
            if command == "import":
                self.parlor("import", "--data", where)
            recorder.fail(grow_error=errno.ENOSPC)
            said = self.assert_fails(run(parlor.BINARY, command, "--data", *arguments, stdin=lines,
                                         environment=recorder.environment))
            self.assertIn(where, said)
            self.assertIn("space", said)
            self.assertEqual([name for name in os.listdir(where) if "copy" in name], [])
        self.assertEqual(self.export(data=where), "")

    def test_a_room_that_is_there_is_left_alone(self):
        self.fill("one")
        before = self.export()
        self.assertIn("tea", self.assert_fails(parlor_run("import", "--data", self.data, stdin=before)))
        self.assertEqual(self.export(), before)

    def test_an_import_beside_a_server_comes_to_the_same_as_one_without(self):
        for seed in range(SEEDS // 4):
            shutil.rmtree(self.data, ignore_errors=True)
            alone, beside = (os.path.join(self.folder, "%s-%d" % (name, seed)) for name in ("alone", "beside"))
            with self.serving("--rate", "0") as self.server:
                self.talk(random.Random(seed))
                exported = self.export()
            said = self.parlor("import", "--data", alone, stdin=exported)
            with self.serving("--rate", "0", data=beside) as server:
                self.assertEqual(self.parlor("import", "--data", beside, stdin=exported), said)
                told = self.told(server)
            with self.serving(data=alone) as server:
                self.assertEqual(self.told(server), told)
            with self.serving(data=beside) as server:
                self.assertEqual(self.told(server), told)
            kept = [self.lines(data=data) for data in (alone, beside)]
            for lines in kept:
                for line in lines:
                    del line["epoch"]
            self.assertEqual(kept[0], kept[1])

    def test_both_imports_refuse_the_same_lines_in_the_same_words(self):
        self.fill("one", "two")
        lines = self.export().splitlines()
        for bad in ("hello", lines[0], lines[1].replace('"tea"', '"t e a"'),
                    lines[1].replace('"offset":2', '"offset":0'), lines[0].replace('"room"', '"rum"'), lines[1].replace('"p', '"q')):
            stdin = "\n".join([lines[0], bad, lines[1]])
            alone, beside = (os.path.join(self.folder, name) for name in ("alone", "beside"))
            with self.serving(data=beside):
                said = [self.assert_fails(parlor_run("import", "--data", data, stdin=stdin))
                        for data in (alone, beside)]
                self.assertEqual([line["offset"] for line in self.lines(data=beside)], [1])
                # A room that is there is left alone.
                again = self.assert_fails(parlor_run("import", "--data", beside, stdin=lines[1]))
                self.assertIn("tea is there already", again)
                self.assertIn("nothing was imported", again)
            whys = [text.removeprefix("parlor: ").partition("; ") for text in said]
            self.assertEqual(whys[0][0], whys[1][0])
            self.assertIn("line 2: ", whys[0][0])
            self.assertEqual([why[2].strip() for why in whys],
                             ["nothing was imported", "imported 1 messages of 1 rooms, which stay"])
            for data in (alone, beside):
                shutil.rmtree(data)

    def test_nobody_else_reaches_the_socket_and_none_is_left(self):
        socket = os.path.join(self.data, "import.sock")
        with self.serving() as server:
            mode = os.stat(socket).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(mode & 0o777, 0o600)
            server.kill()
        self.assertTrue(os.path.exists(socket))
        # A stale one is in nobody's way.
        self.assertEqual(self.parlor("import", "--data", self.data), "imported 0 messages of 0 rooms\n")
        with self.serving() as server:
            self.assertEqual(self.parlor("import", "--data", self.data), "imported 0 messages of 0 rooms\n")
            server.process.terminate()
            self.assertEqual(server.process.wait(SECONDS), 0)
        self.assertFalse(os.path.exists(socket))

    def test_a_path_that_is_too_long_for_a_socket(self):
        data = os.path.join(self.folder, "x" * 100)
        with self.serving(data=data) as server:
            said = self.assert_fails(parlor_run("import", "--data", data))
            self.assertIn(str(server.process.pid), said)
            self.assertIn("too long for a Unix socket", said)
            self.assertEqual(post(server, "hello")[0], 200)
        self.parlor("import", "--data", data)

    def test_a_server_that_ends_says_what_was_imported(self):
        self.fill("one", "two")
        lines = self.export()
        other = os.path.join(self.folder, "other")

        async def begin(server, process):
            """Two lines, and they are told to who is there."""
            async with Person(server.port) as person:
                await person.ask({"type": "join", "room": "tea", "id": 1}, "joined")
                process.stdin.write(lines)
                process.stdin.flush()
                for _ in range(2):
                    while (await person.hear())["type"] != "message":
                        pass

        with self.serving(data=other) as server:
            with subprocess.Popen([parlor.BINARY, "import", "--data", other], stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as process:
                asyncio.run(asyncio.wait_for(begin(server, process), SECONDS))
                server.process.terminate()
                said = process.stderr.read()
                process.stdin.close()
            self.assertEqual(process.returncode, 1)
            self.assertIn("shutting down", said)
            self.assertIn("imported 2 messages of 1 rooms, which stay", said)
            server.process.wait(SECONDS)

    async def say(self, person, text):
        answer = await person.ask({"type": "publish", "room": "load", "data": text, "id": 1}, "ok")
        self.assertEqual(answer["type"], "ok", answer)

    def test_an_import_under_load_is_whole_and_the_chat_goes_on(self):
        """Its rooms are those that people talk in, who come in between. One order, without a hole or a repeat."""
        lines = 20_000
        with self.serving("--rate", "0") as server:
            post(server, "x", room="template")
            template = json.loads(self.export("--room", "template"))
        exported = "".join(
            json.dumps({**template, "room": room, "offset": offset, "at": 1_000_000_000_000 + offset,
                        "data": "old-%d" % offset}) + "\n"
            for offset in range(1, lines // 2 + 1) for room in ("load", "quiet"))
        other = os.path.join(self.folder, "other")

        async def talk(server):
            async with Person(server.port) as reader, Person(server.port) as talker:
                await reader.ask({"type": "join", "room": "load", "id": 1}, "joined")
                seen, said, has_begun = [], 0, asyncio.Event()

                async def read():
                    while not seen or seen[-1]["data"] != "end":
                        event = await reader.hear()
                        if event["type"] == "message":
                            seen.append(event)
                            has_begun.set()

                reading = asyncio.create_task(read())
                done = asyncio.create_task(asyncio.to_thread(self.parlor, "import", "--data", other, stdin=exported))
                await has_begun.wait()
                while not done.done():
                    said += 1
                    await self.say(talker, "new-%d" % said)
                self.assertEqual(await done, "imported %d messages of 2 rooms\n" % lines)
                await self.say(talker, "end")
                await reading
                return seen[:-1], said

        with self.serving("--rate", "0", "--history", "100", data=other) as server:
            seen, said = asyncio.run(asyncio.wait_for(talk(server), 6 * SECONDS))
            self.assertGreater(said, 10)
            kept = self.lines("--room", "load", data=other)[:-1]
            quiet = self.lines("--room", "quiet", data=other)
        self.assertEqual([(it["offset"], it["data"]) for it in seen], [(it["offset"], it["data"]) for it in kept])
        self.assertEqual([it["offset"] for it in kept], list(range(1, lines // 2 + said + 1)))
        old = [it for it in kept if it["data"].startswith("old")]
        self.assertEqual([(it["data"], it["at"], it["from"]) for it in old],
                         [("old-%d" % it, 1_000_000_000_000 + it, template["from"]) for it in range(1, lines // 2 + 1)])
        new = [it["data"] for it in kept if it["data"].startswith("new")]
        self.assertEqual(new, ["new-%d" % it for it in range(1, said + 1)])
        self.assertEqual([it["offset"] for it in quiet], list(range(1, lines // 2 + 1)))

    def test_a_backup_does_not_overwrite(self):
        self.fill("one")
        file = os.path.join(self.folder, "backup.db")
        self.parlor("backup", "--data", self.data, file)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with open(file, "rb") as backup:
            before = backup.read()
        self.assertIn(file, self.assert_fails(parlor_run("backup", "--data", self.data, file)))
        with open(file, "rb") as backup:
            self.assertEqual(backup.read(), before)
        self.assertEqual(sorted(os.listdir(self.folder)), ["backup.db", "data"])

    def upload(self, server, name, content):
        """Sends a file to `tea`. Gives where it is."""
        address = "http://127.0.0.1:%d/rooms/tea/files/%s" % (server.port, name)
        request = urllib.request.Request(address, content, method="PUT")
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.load(response)["data"]["file"]["href"]

    def test_a_backup_that_is_a_directory_has_the_files_that_people_sent(self):
        directory = os.path.join(self.folder, "backup", "")
        with self.serving() as server:
            kept = self.upload(server, "kept.txt", b"kept")
            self.parlor("backup", "--data", self.data, directory)
            later = self.upload(server, "later.txt", b"later")
            # They are copies: what becomes of the first does not matter.
            for name in os.listdir(os.path.join(self.data, "files")):
                with open(os.path.join(self.data, "files", name), "wb") as file:
                    file.write(b"gone")
            self.assertIn(directory.rstrip("/"),
                          self.assert_fails(parlor_run("backup", "--data", self.data, directory)))
        self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
        files = os.listdir(os.path.join(directory, "files"))
        self.assertEqual(len(files), 1)
        for name in ("parlor.db", os.path.join("files", files[0])):
            self.assertEqual(os.stat(os.path.join(directory, name)).st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.listdir(self.folder)), ["backup", "data"])
        with self.serving(data=directory) as server:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (server.port, kept), timeout=SECONDS) as response:
                self.assertEqual(response.read(), b"kept")
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen("http://127.0.0.1:%d%s" % (server.port, later), timeout=SECONDS)
            with caught.exception:
                self.assertEqual(caught.exception.code, 404)

    def test_a_file_that_is_gone_is_left_out_of_a_backup(self):
        directory = os.path.join(self.folder, "backup", "")
        with self.serving() as server:
            self.upload(server, "gone.txt", b"gone")
        for name in os.listdir(os.path.join(self.data, "files")):
            os.remove(os.path.join(self.data, "files", name))
        self.parlor("backup", "--data", self.data, directory)
        self.assertEqual(os.listdir(os.path.join(directory, "files")), [])
        with contextlib.closing(sqlite3.connect(os.path.join(directory, "parlor.db"))) as database:
            self.assertEqual(database.execute("SELECT count(*) FROM files").fetchone(), (0,))

    def test_a_backup_that_is_a_file_says_what_is_not_in_it(self):
        file = os.path.join(self.folder, "backup.db")
        with self.serving() as server:
            self.upload(server, "one.txt", b"one")
        done = parlor_run("backup", "--data", self.data, file)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("not in %s: 1" % file, done.stderr)

    def restore(self, file):
        """A directory in which a server finds the backup."""
        if os.path.isdir(file):
            return file
        folder = file + "-restored"
        os.mkdir(folder, 0o700)
        shutil.copy(file, os.path.join(folder, "parlor.db"))
        return folder

    def test_copies_that_are_made_under_load_have_all_that_was_acknowledged_before(self):
        ledger = Ledger()

        async def copy(server):
            load = Load(ledger, ROOMS, 1)
            talk = asyncio.create_task(load.run(server.port, server.line_port))
            copies = []
            for number in range(5):
                while ledger.acknowledged() < 200 * (number + 1):
                    self.assertFalse(talk.done())
                    await asyncio.sleep(0.01)
                before = [entry for entry in ledger.entries if isinstance(entry, (Seen, Stored))]
                backup, export = (os.path.join(self.folder, "%d.%s" % (number, end)) for end in ("db", "jsonl"))
                backup = os.path.join(backup, "")  # A directory, with the files that people sent.
                await asyncio.to_thread(self.parlor, "backup", "--data", self.data, backup)
                exported = await asyncio.to_thread(self.export)
                with open(export, "w", encoding="utf-8") as file:
                    file.write(exported)
                copies.append((before, backup, exported))
            server.kill()
            await talk
            return copies

        with self.serving(*FLAGS) as server:
            server.line_port = int(server.process.stdout.readline().rsplit(":", 1)[1])
            copies = asyncio.run(copy(server))
        for before, backup, exported in copies:
            imported = backup.rstrip("/") + "-imported"
            self.parlor("import", "--data", imported, stdin=exported)
            for data in (self.restore(backup), imported):
                findings = Findings()
                stored = [entry for entry in before if isinstance(entry, Stored)]
                seen = [entry for entry in before if isinstance(entry, Seen)]
                with self.serving("--rate", "0", data=data) as server:
                    rooms = {name: asyncio.run(read_room(server.port, name)) for name in ROOMS}
                    if data == backup:
                        self.assertTrue(stored)
                        asyncio.run(fetch_files(server.port, Ledger(stored), findings))
                # What was sent later may be in it.
                entries = [entry for entry in ledger.entries if isinstance(entry, Sent)]
                Ledger(entries + [dataclasses.replace(it, epoch=None) for it in seen]).compare(rooms, findings)
                self.assertEqual(findings.counts, {}, findings.examples)
                self.assertEqual({it.epoch for it in seen} & {room.epoch for room in rooms.values()}, set())


if __name__ == "__main__":
    parlor.run_tests("transfer")
