"""A disk that power cuts and faults happen to, for a process that is started with `Recorder.environment`.

disk.c, preloaded into the process, records what it writes and syncs below one directory. `Disk` replays that, and knows at
each point of the trace what a cut leaves for certain, and what it may leave:

- What was written before a sync of the file began, and the sync has returned, is there.
- Of all else, any part may be there: each write whole, torn at 512 bytes, or not at all, in any order.
- A file that was made, renamed or removed is so for certain only after a sync of its directory. Many file systems keep
  more than that.
"""

import copy
import itertools
import os
import random
import shutil
import struct
import subprocess
import tempfile

SECTOR = 512
CREATE, MAKE_DIRECTORY, UNLINK, RENAME, WRITE, TRUNCATE, SYNC, SYNC_DIRECTORY, MAP = range(9)
HEAD = struct.Struct("=IIQQQ")
FAULTS = struct.Struct("=iiiii")


class Recorder:
    """Compiles disk.c, and records what one process after another does below `root`, which has to exist."""

    def __init__(self, root):
        self.root = os.path.realpath(root)
        self._folder = tempfile.TemporaryDirectory(prefix="parlor-disk-")
        library, self.trace, self._faults = (os.path.join(self._folder.name, name)
                                              for name in ("disk.so", "trace", "faults"))
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disk.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", source, "-o", library], check=True)
        self.environment = {"LD_PRELOAD": library, "DISK_ROOT": self.root, "DISK_TRACE": self.trace,
                            "DISK_FAULTS": self._faults}
        self.fail()
        self.begin()

    def begin(self):
        """Forgets the trace, and takes the directory as it is now for what is on the disk."""
        with open(self.trace, "wb"):
            pass
        self._base = Disk(self.root)

    def disk(self, without_commits=False):
        """What is on the disk at the beginning of the trace; see `Disk.replay`."""
        disk = copy.deepcopy(self._base)
        disk.replay(records(self.trace), without_commits)
        return disk

    def position(self):
        """How long the trace is: what it tells up to there has happened."""
        return os.stat(self.trace).st_size

    def fail(self, open_error=0, write_error=0, grow_error=0, sync_error=0, sync_milliseconds=0):
        """From now on the disk fails with these errors, and a sync takes so long. Without arguments all is well again."""
        with open(self._faults, "r+b" if os.path.exists(self._faults) else "wb") as file:
            file.write(FAULTS.pack(open_error, write_error, grow_error, sync_error, sync_milliseconds))

    def close(self):
        self._folder.cleanup()


class File:
    """What is on the disk of a file, and what was done to it since."""

    def __init__(self, content=b""):
        self.durable = bytearray(content)
        self.pending = []


def apply(content, record):
    if record.operation == TRUNCATE:
        del content[record.length:]
        content.extend(bytes(record.length - len(content)))
    else:
        content.extend(bytes(max(0, record.offset - len(content))))
        content[record.offset:record.offset + len(record.data)] = record.data


class Record:
    def __init__(self, position, operation, file, offset, length, name, data):
        self.position, self.operation, self.file, self.offset, self.length = position, operation, file, offset, length
        self.name, self.data = name, data

    def part(self, first, end):
        """Of a write, what goes to these bytes of the file."""
        first = max(first, self.offset)
        data = self.data[first - self.offset:end - self.offset]
        return Record(self.position, WRITE, self.file, first, len(data), None, data)


def records(path):
    """Those of a trace, in their order, each with its position: how long the trace is with it."""
    position = 0
    with open(path, "rb") as trace:
        while head := trace.read(HEAD.size):
            operation, name_bytes, file, offset, length = HEAD.unpack(head)
            name = os.fsdecode(trace.read(name_bytes))
            data = trace.read(length) if operation == WRITE else b""
            position += HEAD.size + name_bytes + len(data)
            yield Record(position, operation, file, offset, length, name, data)


class Disk:
    """A directory as it was before a trace, and is taken along the trace by `advance`."""

    def __init__(self, root):
        self._files = {}  # by their inode
        self._names = {".": None}  # on the disk; a directory is None
        self._pending = []  # what was done to names since
        self.mapped = set()
        self._trace = []  # what is to come, the last first
        for name, content in read(root).items():
            if content is not None:
                self._files[os.stat(os.path.join(root, name)).st_ino] = content = File(content)
            self._names[name] = content

    def replay(self, trace, without_commits):
        """What `advance` will do. `without_commits`: as if SQLite had `synchronous=NORMAL`, and synced its log not with
        each commit, but before a checkpoint alone, and after the first bytes of a new log."""
        trace = list(trace)
        if without_commits:
            commits = set(self._syncs_of_commits(trace))
            trace = [record for record in trace if record not in commits]
        self._trace = trace[::-1]

    def syncs(self):
        """How many there are in what is to come."""
        return sum(record.operation == SYNC for record in self._trace)

    def _syncs_of_commits(self, trace):
        changes = [record for record in trace if record.operation in (CREATE, WRITE, SYNC)]
        old = [file for name, file in self._names.items() if name.endswith("-wal")]
        logs = {inode for inode, file in self._files.items() if file in old}
        for before, record, after in zip([None, *changes], changes, [*changes[1:], None]):
            if record.operation == CREATE:
                (logs.add if record.name.endswith("-wal") else logs.discard)(record.file)
            if record.operation == SYNC and record.file in logs:
                is_of_header = before is not None and before.operation == WRITE and before.offset == 0
                is_of_checkpoint = after is not None and after.file not in logs
                if not is_of_header and not is_of_checkpoint:
                    yield record

    def advance(self, position):
        """Does what the trace tells up to there."""
        while self._trace and self._trace[-1].position <= position:
            self._do(self._trace.pop())

    def _do(self, record):
        if record.operation == CREATE:
            self._files[record.file] = File()
        if record.operation in (CREATE, MAKE_DIRECTORY, UNLINK, RENAME):
            self._pending.append((record, self._files.get(record.file)))
        elif record.operation in (WRITE, TRUNCATE):
            self._files[record.file].pending.append(record)
        elif record.operation == SYNC:
            self._sync(self._files[record.file], record.offset)
        elif record.operation == SYNC_DIRECTORY:
            self._sync_names(record.name, record.offset)
        elif record.operation == MAP:
            if not record.name.endswith("-shm"):
                raise RuntimeError("%s is written through a mapping, which a trace does not show" % record.name)
            self.mapped.add(record.name)

    @staticmethod
    def _sync(file, start):
        while file.pending and file.pending[0].position <= start:
            apply(file.durable, file.pending.pop(0))

    def _sync_names(self, folder, start):
        def is_synced(record):
            return record.position <= start and all(
                (os.path.dirname(name) or ".") == folder for name in record.name.split("\0"))
        for record, file in self._pending:
            if is_synced(record):
                self._rename(self._names, record, file)
        self._pending = [(record, file) for record, file in self._pending if not is_synced(record)]

    @staticmethod
    def _rename(names, record, file):
        if record.operation == UNLINK:
            names.pop(record.name, None)
        elif record.operation == RENAME:
            old, new = record.name.split("\0")
            if old in names:
                names[new] = names.pop(old)
        else:
            names[record.name] = file

    def _now(self):
        """The files by their names, as the process sees them."""
        names = dict(self._names)
        for record, file in self._pending:
            self._rename(names, record, file)
        return names

    def contents(self):
        """All that was written, as the process sees it: names and bytes, without what is mapped."""
        return {name: None if file is None else self._content(file, lambda record: [record])
                for name, file in self._now().items() if name not in self.mapped}

    @staticmethod
    def _content(file, kept):
        content = bytearray(file.durable)
        for record in file.pending:
            for part in kept(record):
                if part.operation == TRUNCATE or part.data:
                    apply(content, part)
        return bytes(content)

    def cut(self, chance):
        """The same as a cut at this point may leave it; `chance` decides."""
        kept = self._choice(chance)
        names = dict(self._names)
        for record, file in self._pending:
            if kept(record):
                self._rename(names, record, file)
        found = {}
        for name, file in names.items():
            if name not in self.mapped:
                found[name] = None if file is None else self._content(file, kept)
            elif chance.random() < 0.5:
                found[name] = chance.randbytes(32768)  # Which nobody has synced.
        # What is in a directory whose name was lost is lost with it.
        return {name: content for name, content in found.items() if (os.path.dirname(name) or ".") in found}

    def _choice(self, chance):
        """Which parts of what was not synced are there: a function from a record to its parts."""
        pending = sorted(itertools.chain((record for record, _ in self._pending),
                                         *(file.pending for file in self._files.values())), key=lambda it: it.position)
        last = pending[-1] if pending else None
        kind = chance.choice(["nothing", "the first", "some", "nearly all", "torn"])
        end = chance.choice(pending).position if pending else 0
        share = {"some": 0.5, "nearly all": 0.9, "torn": 0.7}.get(kind)

        def kept(record):
            if kind == "nothing" or kind == "the first" and record.position > end:
                return []
            if share is not None and chance.random() > share:
                return []
            is_torn = kind == "torn" or record is last or kind == "the first" and record.position == end
            return torn(record, chance) if is_torn and record.operation == WRITE else [record]
        return kept


def torn(record, chance):
    """Some sectors of a write."""
    first = record.offset // SECTOR * SECTOR
    sectors = range(first, record.offset + len(record.data), SECTOR)
    if chance.random() < 0.5:
        return [record.part(record.offset, chance.choice(sectors))]
    return [record.part(sector, sector + SECTOR) for sector in sectors if chance.random() < 0.5]


def write(contents, folder):
    """Makes the directory anew, as `Disk.cut` or `Disk.contents` has it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in sorted(contents):
        path = os.path.normpath(os.path.join(folder, name))
        if contents[name] is None:
            os.mkdir(path, 0o700)
        else:
            with open(path, "wb") as file:
                file.write(contents[name])


def read(folder, without=()):
    """A directory in the same form, without files of these names."""
    found = {".": None}
    for parent, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(parent, name), folder)] = None
        for name in files:
            path = os.path.join(parent, name)
            below = os.path.relpath(path, folder)
            # A socket holds nothing, and is made anew.
            if below not in without and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[below] = file.read()
    return found


def seeded(*parts):
    return random.Random(":".join(map(str, parts)))
