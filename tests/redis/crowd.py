"""People at all doors of all nodes at once, while the test does something to the nodes or to Redis."""

import asyncio
import collections
import contextlib
import threading
import time

import people
from history import History

SECONDS = 60
# Seconds between two messages of a sender.
PACE = 0.04


class Crowd:
    """Talks in its own thread from `begin` to `finish`. The test may replace what is in `nodes` meanwhile."""

    def __init__(self, nodes, rooms=("tea", "mate", "cocoa"), seed=0, pace=PACE):
        self.nodes, self.rooms, self.seed, self.pace = nodes, list(rooms), seed, pace
        self.history = History()
        self.is_over = False
        self._changed = threading.Condition()
        self._answers = collections.Counter()
        self._begun = 0
        self._last_heard = {}
        self._failure = None
        places = range(len(nodes))
        first = self.rooms[:1]
        self.readers = [people.JsonReader("reader-%d" % place, self, place, self.rooms) for place in places]
        self.readers += [people.JsonReader("wanderer", self, 0, self.rooms, hops=40)]
        self.readers += [people.Listener("listener-%d" % place, self, place, first) for place in places]
        self.readers += [people.PlainReader("plain-%d" % place, self, place, first) for place in places]
        self.readers += [people.LineReader("lines-%d" % place, self, place, first) for place in places]
        self.senders = [kind("%s-%d" % (name, place), self, place) for place in places
                        for name, kind in (("json", people.JsonSender), ("post", people.Poster))]
        self.senders += [people.PlainSender("loud", self, 0), people.Typist("typist", self, 1),
                         people.Sprayer("spray", self, 2)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self):
        """Returns when everyone is there and somebody has been answered."""
        self._thread.start()
        self.wait_for(len(self.nodes))
        return self

    def finish(self):
        """Everyone stops, once what they have sent is answered and all readers have heard it; what they were told."""
        self.is_over = True
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            self.stop()
            raise AssertionError("not done after %d s: %s\n%s" % (SECONDS, self._not_done(), self.state()))
        if self._failure:
            raise self._failure
        return self.history

    def stop(self):
        """Everyone stops at once, whatever they are waiting for; what they were told so far."""
        self.is_over = True
        while self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop has just ended by itself
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
            self._thread.join(1)
        return self.history

    def wait_for(self, count, at=None):
        """So many more messages are answered, by the node `at` this place."""
        with self._changed:
            end = self._answers[at] + count
            if not self._changed.wait_for(lambda: self._answers[at] >= end or self._failure, SECONDS):
                raise AssertionError("%d answers, and not %d\n%s" % (self._answers[at], end, self.state()))

    def wait_for_refusals(self, count, *codes):
        """So many more are refused, with one of these codes."""
        def refused():
            return sum(self.history.refusals[code] for code in codes)
        with self._changed:
            end = refused() + count
            if not self._changed.wait_for(lambda: refused() >= end or self._failure, SECONDS):
                raise AssertionError("%d refusals, and not %d\n%s" % (refused(), end, self.state()))

    def state(self):
        return "answers: %s, refusals: %s" % (dict(self._answers), dict(self.history.refusals))

    def _not_done(self):
        return [it.name for it in (*self.senders, *self.readers) if not it.is_done]

    def _run(self):
        try:
            self._loop.run_until_complete(self._talk())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # pylint: disable=broad-except
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            self._loop.close()

    async def _talk(self):
        self._may_send = asyncio.Event()
        async with asyncio.TaskGroup() as readers:
            for reader in self.readers:
                readers.create_task(reader.run())
            await self._may_send.wait()
            async with asyncio.TaskGroup() as senders:
                for sender in self.senders:
                    senders.create_task(sender.run())
            await people.Fencer(self, 0).run()

    # What clients call.

    def reader_has_begun(self):
        self._begun += 1
        if self._begun == len(self.readers):
            self._may_send.set()

    def answered(self, sender, text, offset, epoch=None):
        self.history.answer(text, offset, epoch)
        with self._changed:
            self._answers[None] += 1
            self._answers[sender.place % len(self.nodes)] += 1
            self._changed.notify_all()

    def refused(self, sender, text, code):
        with self._changed:
            self.history.refuse(text, code)
            self._changed.notify_all()

    def heard(self, reader):
        now = time.monotonic()
        before = self._last_heard.get(reader, now)
        self._last_heard[reader] = now
        if not self.is_over:
            self.history.longest_pause = max(self.history.longest_pause, now - before)


@contextlib.contextmanager
def crowd_at(nodes, **options):
    """A crowd that is there, and is stopped if the test fails."""
    crowd = Crowd(nodes, **options)
    try:
        yield crowd.begin()
    finally:
        crowd.stop()


def told_through(fault, nodes, count):
    """What people were told before, during and after a fault: so many messages before it, and a third of that at each node after."""
    with crowd_at(nodes) as crowd:
        crowd.wait_for(count)
        fault(crowd)
        for place in range(len(nodes)):
            crowd.wait_for(count // 3, at=place)
        return crowd.finish()
