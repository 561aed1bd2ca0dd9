"""What clients of a server have sent and seen, and whether a server that has started again agrees with it.

Knows nothing of how the server keeps messages: it compares what clients were told before with what they are told now."""

import collections
import dataclasses


@dataclasses.dataclass(frozen=True)
class Sent:
    """A message that was sent. No other has its text: it begins with the sender and a number that grows."""
    position: int  # how long the trace of the disk was then
    sender: str
    number: int
    room: str
    text: str
    dedup: str | None  # the id under which it may be sent again
    key: str | None


@dataclasses.dataclass(frozen=True)
class Seen:
    """A message that somebody was told is in a room: as its sender, or as a reader. Some are not told where."""
    position: int
    reader: str
    room: str
    text: str
    epoch: str | None = None
    offset: int | None = None


@dataclasses.dataclass(frozen=True)
class Known:
    """A person that the server gave an id and a secret to come back with."""
    position: int
    person: str
    id: str
    secret: str


@dataclasses.dataclass(frozen=True)
class Stored:
    """A file that its sender was told is kept, and where. Its name is the text of its message."""
    position: int
    text: str
    href: str


@dataclasses.dataclass(frozen=True)
class Room:
    """A room as the server tells it now: its epoch, the text of each offset, and the latest text of each key."""
    epoch: str
    texts: dict
    retained: dict


# Readers who come back from where they were, and miss nothing.
FOLLOWERS = ("reader", "observer")


def label(sender, number):
    return "%s-%d" % (sender, number)


def text_of(data):
    """What the data of a message says: a text, or the name of a file."""
    return data["file"]["name"] if isinstance(data, dict) else data


def content_of(text):
    """The bytes of the file of this name."""
    sender, number = sender_and_number(text)
    return ("%s %s\n" % (sender, number)).encode() * (number * 7919 % 10_000)


def sender_and_number(text):
    sender, number = text.split(" ", 1)[0].rsplit("-", 1)
    return sender, int(number)


class Ledger:
    def __init__(self, entries=()):
        self.entries = list(entries)

    def add(self, entry):
        self.entries.append(entry)

    def until(self, position):
        """What had happened when the trace was so long. It has no place in the next trace."""
        return Ledger(dataclasses.replace(entry, position=0) for entry in self.entries if entry.position <= position)

    def _all(self, kind):
        return (entry for entry in self.entries if isinstance(entry, kind))

    def rooms(self):
        return sorted({entry.room for entry in self._all(Sent)})

    def last_number(self, sender):
        return max((entry.number for entry in self._all(Sent) if entry.sender == sender), default=0)

    def person(self, name):
        """The id and the secret that the server gave them last, and had to keep: before a message of theirs was
        acknowledged. A login alone is answered before it is on the disk."""
        last = kept = None
        for entry in self.entries:
            if isinstance(entry, Known) and entry.person == name:
                last = entry
            elif isinstance(entry, Seen) and entry.reader == name:
                kept = last
        return kept

    def unanswered(self, sender):
        """What a sender may send again, because it has an id and was not answered. The ids are those of a person: another
        who came in their place cannot."""
        waiting, person = {}, None
        for entry in self.entries:
            if isinstance(entry, Known) and entry.person == sender and entry.id != person:
                waiting, person = {}, entry.id
            elif isinstance(entry, Sent) and entry.sender == sender and entry.dedup:
                waiting[entry.text] = entry
            elif isinstance(entry, Seen):
                waiting.pop(entry.text, None)
        return list(waiting.values())

    def places(self, reader):
        """Of each room that this reader follows, the last message that it has seen."""
        return {entry.room: entry for entry in self._all(Seen) if entry.reader == reader and entry.offset}

    def files(self):
        return list(self._all(Stored))

    def acknowledged(self):
        return len({entry.text for entry in self._all(Seen)})

    def compare(self, rooms, findings):
        """Finds what is wrong with the rooms that the server has now."""
        for seen in self._all(Seen):
            room = rooms[seen.room]
            is_same_log = seen.epoch in (None, room.epoch)
            there = room.texts.get(seen.offset) if is_same_log else None
            if seen.offset is None and seen.text in room.texts.values() or there == seen.text:
                continue
            kind = "acknowledged and lost" if there is None else "offsets used twice"
            findings.add(kind, seen.text, seen, room.epoch, there)
        self._compare_readers(findings)
        sent = {entry.text: entry for entry in self._all(Sent)}
        for name, room in rooms.items():
            self._compare_room(name, room, sent, findings)

    def _compare_readers(self, findings):
        """Who follows a room sees each message once, in order, also over a restart."""
        last = {}
        for seen in self._all(Seen):
            if seen.reader in FOLLOWERS:
                before = last.get((seen.reader, seen.room, seen.epoch), seen.offset - 1)
                if seen.offset != before + 1:
                    findings.add("holes and repeats of readers", seen.text, seen, before)
                last[seen.reader, seen.room, seen.epoch] = seen.offset

    @staticmethod
    def _compare_room(name, room, sent, findings):
        if list(room.texts) != list(range(1, len(room.texts) + 1)):
            findings.add("holes", name, list(room.texts))
        for text, count in collections.Counter(room.texts.values()).items():
            if count > 1:
                findings.add("messages kept twice", text)
        latest, numbers = {}, {}
        for text in room.texts.values():
            if text not in sent or sent[text].room != name:
                findings.add("messages of nobody", text, name)
                continue
            sender, number = sender_and_number(text)
            if number <= numbers.get(sender, 0):
                findings.add("messages out of order", text)
            numbers[sender] = number
            if sent[text].key:
                latest[sent[text].key] = text
        if room.retained != latest:
            findings.add("wrong values", name, room.retained, latest)


class Findings:
    """What is wrong, by kind: each message, or room, once."""

    def __init__(self):
        self.counts = collections.Counter()
        self.examples = []
        self._found = set()

    def add(self, kind, name, *more):
        if (kind, name) not in self._found:
            self._found.add((kind, name))
            self.counts[kind] += 1
            if self.counts[kind] <= 3:
                self.examples.append("%s: %s" % (kind, ", ".join(str(part)[:300] for part in (name, *more))))

    def extend(self, other):
        self.counts.update(other.counts)
        self.examples = (self.examples + other.examples)[:30]
