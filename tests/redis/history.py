"""What clients have sent, what they were answered, and what readers were told: and whether that can be one log.

Knows nothing of how messages are kept or passed on, nor how many servers there are. What it holds servers to:

- All readers and all answers agree which message has which offset of an epoch of a room: there is one order.
- A reader is told each offset once, one after the other. A `gap`, or a `joined` with another epoch, excuses a hole.
- A reader who comes back and is told `recovered: true` gets exactly what comes after the last that it saw.
- What was acknowledged, somebody is told at that offset, and each reader who stayed to the end has gone past it.
- A message has one offset in an epoch, however often it was sent again under its `dedup`.
- What one sender has sent is in the order in which it was sent, unless it was refused or sent again in between.
- The epoch of a room stays the same, and nothing acknowledged is lost, unless the log itself was lost.
"""

import collections
import dataclasses

LOST = "acknowledged and lost"
DOUBLED = "messages doubled"
FORKED = "two messages at one offset"
REPEATED = "repeats of readers"
UNORDERED = "messages out of order"
HOLES = "holes of readers"
ANSWERS = "answers that disagree"
STRANGE = "messages of nobody"
BEHIND = "readers that did not get to the end"
UNRECOVERED = "readers not recovered"
EPOCHS = "epochs changed"
PARTIAL = "messages that only some were told"


@dataclasses.dataclass(frozen=True)
class Sent:
    """A message that was sent. No other has its text."""
    sender: str
    number: int  # grows with each message of this sender
    room: str
    text: str
    is_ephemeral: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the sender was told of a message. Some doors do not say of which epoch the offset is."""
    text: str
    offset: int
    epoch: str | None = None


@dataclasses.dataclass(frozen=True)
class Joined:
    """Where the room is. `since` is the epoch and the offset that the reader asked with. `messages` are those, with their
    offsets, that came with it; None where they come after it, like all others."""
    epoch: str
    offset: int
    since: tuple | None = None
    is_recovered: bool = False
    messages: tuple | None = ()


@dataclasses.dataclass(frozen=True)
class Heard:
    offset: int
    text: str


@dataclasses.dataclass(frozen=True)
class Gap:
    """The reader was told that it misses these offsets. A `Joined` follows."""
    first: int
    last: int


class Session:
    """What one connection was told of one room, in order: `Joined`, `Heard` and `Gap`, or texts where the door says no
    offsets."""

    def __init__(self, history, reader, room):
        self.reader, self.room = reader, room
        self._epochs = history.epochs[room]
        self.events = []
        self.texts = []
        # Whether the reader was there until the end, and so has to know everything.
        self.stayed = False

    def add(self, event):
        if isinstance(event, Joined) and event.epoch not in self._epochs:
            self._epochs.append(event.epoch)
        self.events.append(event)


class History:
    def __init__(self):
        self.sent = {}
        self.answers = []
        self.refusals = collections.Counter()
        # Of which nobody can say when they were carried out, or whether.
        self.uncertain = set()
        self.sessions = []
        # Of each room its epochs, as readers were told them first.
        self.epochs = collections.defaultdict(list)
        self.longest_pause = 0

    def send(self, sender, number, room, text, is_ephemeral=False):
        self.sent[text] = Sent(sender, number, room, text, is_ephemeral)
        return text

    def answer(self, text, offset, epoch=None):
        self.answers.append(Answer(text, offset, epoch))

    def refuse(self, text, code):
        self.refusals[code] += 1
        self.uncertain.add(text)

    def session(self, reader, room):
        session = Session(self, reader, room)
        self.sessions.append(session)
        return session

    def acknowledged(self):
        return len({answer.text for answer in self.answers})

    def check(self, may_lose=False):
        """What is wrong. `may_lose` says that the log itself was lost, or a part of it: then another epoch may begin, and
        what was acknowledged in the one before may be gone."""
        return _Check(self, may_lose).run()


class Findings:
    """What is wrong, by kind: each message, or reader, once."""

    def __init__(self):
        self.counts = collections.Counter()
        self.examples = []
        self._found = set()

    def add(self, kind, name, *more):
        if (kind, name) not in self._found:
            self._found.add((kind, name))
            self.counts[kind] += 1
            if self.counts[kind] <= 3:
                self.examples.append("%s: %s" % (kind, ", ".join(str(part)[:200] for part in (name, *more))))

    def extend(self, other):
        self.counts.update(other.counts)
        self.examples = (self.examples + other.examples)[:30]


class _Check:
    def __init__(self, history, may_lose):
        self.history, self.may_lose = history, may_lose
        self.findings = Findings()
        # Of each room and epoch: the text of each offset. Of each text: where readers were told it is.
        self.order = collections.defaultdict(dict)
        self.places = collections.defaultdict(set)
        # The rooms of which somebody was told that a part is lost to them.
        self.with_gaps = set()

    def run(self):
        tellers = [session for session in self.history.sessions if session.events]
        for session in tellers:
            _Follower(self, session).follow()
        self._check_answers()
        self._check_places()
        self._check_senders()
        self._check_ends(tellers)
        for session in self.history.sessions:
            if session.texts:
                self._check_texts(session)
        return self.findings

    def last_epoch(self, room):
        return self.history.epochs[room][-1] if self.history.epochs[room] else None

    def place(self, session, epoch, offset, text):
        """Somebody was told that this message is there."""
        there = self.order[session.room, epoch].setdefault(offset, text)
        if there != text:
            self.findings.add(FORKED, (session.room, epoch, offset), there, text, session.reader)
        sent = self.history.sent.get(text)
        if sent is None or sent.room != session.room:
            self.findings.add(STRANGE, text, session.room, session.reader)
        self.places[text].add((epoch, offset))

    def _check_answers(self):
        answered = {}
        for answer in self.history.answers:
            told = {(epoch, offset) for epoch, offset in self.places[answer.text]
                    if answer.epoch in (None, epoch) and offset == answer.offset}
            if not told and not (self.may_lose and self._is_of_a_lost_log(answer)):
                kind = ANSWERS if self.places[answer.text] else LOST
                self.findings.add(kind, answer.text, answer, sorted(self.places[answer.text]))
            first = answered.setdefault((answer.text, answer.epoch), answer)
            if first.offset != answer.offset and not self.may_lose:
                self.findings.add(ANSWERS, answer.text, first, answer)

    def _is_of_a_lost_log(self, answer):
        """Whether the epoch in which this was answered has ended. An answer without an epoch may be of any."""
        room = self.history.sent[answer.text].room
        return answer.epoch != self.last_epoch(room) if answer.epoch else len(self.history.epochs[room]) > 1

    def _check_places(self):
        for text, places in self.places.items():
            of_an_epoch = collections.Counter(epoch for epoch, _ in places)
            if any(count > 1 for count in of_an_epoch.values()) or len(of_an_epoch) > 1 and not self.may_lose:
                self.findings.add(DOUBLED, text, sorted(places))
        for room, epochs in self.history.epochs.items():
            if len(epochs) > 1 and not self.may_lose:
                self.findings.add(EPOCHS, room, epochs)

    def _check_senders(self):
        for (room, epoch), texts in self.order.items():
            numbers = {}
            for _, text in sorted(texts.items()):
                sent = self.history.sent.get(text)
                if sent is None or text in self.history.uncertain:
                    continue
                if sent.number <= numbers.get(sent.sender, 0):
                    self.findings.add(UNORDERED, text, room, epoch, numbers[sent.sender])
                numbers[sent.sender] = sent.number

    def _check_ends(self, tellers):
        """Whoever stayed has gone past the last offset of its epoch, and is in the one that the others are in."""
        for session in tellers:
            if not session.stayed:
                continue
            epoch, last = _end_of(session)
            end = max(self.order[session.room, epoch], default=0)
            if epoch != self.last_epoch(session.room) or last < end:
                self.findings.add(BEHIND, (session.reader, session.room), (epoch, last), end,
                                  self.last_epoch(session.room))

    def _check_texts(self, session):
        """Where no offsets are told, the texts are a part of the order that has neither holes nor repeats."""
        # Whose epoch has ended, or who was one of those for whom something is lost, cannot be told so.
        is_excused = session.room in self.with_gaps or self.may_lose
        before, told = {}, set()
        for text in session.texts:
            places = self.places.get(text, set())
            sent = self.history.sent.get(text)
            if sent is None or sent.room != session.room:
                self.findings.add(STRANGE, text, session.room, session.reader)
            if not places and not is_excused:
                self.findings.add(PARTIAL, text, session.reader)
            if len(places) != 1:
                continue
            (epoch, offset), = places
            last = before.get(epoch, offset - 1)
            if offset <= last:
                kind = REPEATED if text in told else UNORDERED
                self.findings.add(kind, text, session.reader, last, offset)
            elif offset > last + 1 and not is_excused:
                self.findings.add(HOLES, text, session.reader, last, offset)
            before[epoch] = max(offset, last)
            told.add(text)
        if session.stayed and session.texts and not is_excused:
            order = self.order[session.room, self.last_epoch(session.room)]
            if order and session.texts[-1] != order[max(order)]:
                self.findings.add(BEHIND, (session.reader, session.room), session.texts[-1], order[max(order)])


class _Follower:
    """Goes through what one reader was told of a room."""

    def __init__(self, check, session):
        self.check, self.session, self.add = check, session, check.findings.add
        self.name = (session.reader, session.room)
        self.epoch = None
        # The last offset that the reader knows; None where any up to `reach + 1` may come next.
        self.last, self.reach = None, None
        self.gap = None

    def follow(self):
        for event in self.session.events:
            if isinstance(event, Joined):
                self._joined(event)
            elif isinstance(event, Gap):
                self._gap(event)
            else:
                self._heard(event)

    def _joined(self, joined):
        is_first, gap, self.gap = self.epoch is None, self.gap, None
        if joined.is_recovered:
            self._recovered(joined)
        elif joined.since and joined.since[0] == joined.epoch:
            self.add(UNRECOVERED, (*self.name, joined.since), joined)
            self.check.with_gaps.add(self.session.room)
        elif not is_first and joined.epoch == self.epoch and gap is None and joined.offset != self.last:
            self.add(HOLES, (*self.name, joined.offset), "joined without a gap", self.last)
        if joined.since and joined.since[0] != joined.epoch or not is_first and self.epoch != joined.epoch:
            self.check.with_gaps.add(self.session.room)
        self.epoch = joined.epoch
        if not joined.is_recovered:
            self.last, self.reach = None, joined.offset
        for offset, text in joined.messages or ():
            # What a room shows of itself behind a gap has holes where messages of one key are left out.
            if gap is not None:
                self.last = None
            self._heard(Heard(offset, text))
        if joined.messages is not None and (self.last is None or gap is not None):
            self.last = joined.offset
        if joined.messages and self.last != joined.offset:
            self.add(HOLES, (*self.name, joined.offset), "the messages of joined end at", self.last)

    def _recovered(self, joined):
        if not joined.since or joined.since[0] != joined.epoch:
            self.add(UNRECOVERED, (*self.name, joined.since), "recovered in another epoch", joined.epoch)
        self.last = joined.since[1] if joined.since else 0
        if joined.messages == () and joined.offset != self.last:
            self.add(HOLES, (*self.name, joined.offset), "recovered without messages", joined.since)

    def _gap(self, gap):
        if self.last is not None and gap.first > self.last + 1:
            self.add(HOLES, (*self.name, gap.first), "the gap begins behind", self.last)
        self.gap = gap
        self.check.with_gaps.add(self.session.room)

    def _heard(self, heard):
        if self.epoch is None:
            self.add(HOLES, (*self.name, heard.offset), "before joined")
            return
        self.check.place(self.session, self.epoch, heard.offset, heard.text)
        least, most = (1, self.reach + 1) if self.last is None else (self.last + 1, self.last + 1)
        if heard.offset < least:
            self.add(REPEATED, (*self.name, self.epoch, heard.offset), heard.text, "after", self.last)
        elif heard.offset > most:
            self.add(HOLES, (*self.name, self.epoch, heard.offset), heard.text, "after", self.last)
        self.last = max(heard.offset, self.last or 0)


def _end_of(session):
    """The last epoch and offset that a reader was told of."""
    epoch, last = None, 0
    for event in session.events:
        if isinstance(event, Joined):
            told = [offset for offset, _ in event.messages or ()]
            came_before = event.since[1] if event.is_recovered else event.offset
            epoch, last = event.epoch, max(told, default=came_before if event.messages is None else event.offset)
        elif isinstance(event, Heard):
            last = event.offset
    return epoch, last
