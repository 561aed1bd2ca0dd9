"""The history checker itself: it finds nothing in what is right, and each kind of planted fault. Then with real nodes, which
share nothing: it finds that, and nothing where one node is killed that keeps its messages on disk."""

import unittest

import history
from crowd import Crowd, crowd_at
from nodes import Case
from history import Gap, Heard, History, Joined

ROOM, EPOCH, NEXT = "tea", "e1", "e2"


class Made:
    """Six messages of two senders, all acknowledged, and readers of different kinds who were told them."""

    def __init__(self):
        self.history = History()
        self.texts = {}
        for number in (1, 2, 3):
            for sender in ("ann", "bob"):
                text = self.history.send(sender, number, ROOM, "%s-%d" % (sender, number))
                self.texts[len(self.texts) + 1] = text
        for offset, text in self.texts.items():
            self.history.answer(text, offset, EPOCH if offset % 2 else None)
        self.stays = self.reader("stays", Joined(EPOCH, 0), *self.heard(1, 6))
        self.late = self.reader("late", Joined(EPOCH, 3, messages=tuple(self.texts.items())[1:3]), *self.heard(4, 6))
        self.back = self.reader("back", Joined(EPOCH, 1), *self.heard(2, 2), stayed=False)
        self.again = self.reader("back", Joined(EPOCH, 4, (EPOCH, 2), True, tuple(self.texts.items())[2:4]),
                                 *self.heard(5, 6))
        self.stream = self.reader("stream", Joined(EPOCH, 4, (EPOCH, 2), True, None), *self.heard(3, 6))
        self.plain = self.history.session("plain", ROOM)
        self.plain.texts = list(self.texts.values())[2:]
        self.plain.stayed = True

    def reader(self, name, *events, stayed=True):
        session = self.history.session(name, ROOM)
        for event in events:
            session.add(event)
        session.stayed = stayed
        return session

    def heard(self, first, last):
        return [Heard(offset, self.texts[offset]) for offset in range(first, last + 1)]

    def kinds(self, may_lose=False):
        return set(self.history.check(may_lose).counts)


class Checks(unittest.TestCase):
    def setUp(self):
        self.made = Made()
        self.history = self.made.history

    def finds(self, *kinds, may_lose=False):
        self.assertEqual(self.made.kinds(may_lose), set(kinds))

    def new_epoch(self):
        """The log was lost: everyone is told so, and two more messages come."""
        for number in (4, 5):
            self.history.answer(self.history.send("ann", number, ROOM, "ann-%d" % number), number - 3, NEXT)
        for session in (self.made.stays, self.made.late, self.made.again):
            for event in (Gap(7, 7), Joined(NEXT, 0), Heard(1, "ann-4"), Heard(2, "ann-5")):
                session.add(event)
        self.made.stream.stayed = False
        self.made.plain.texts += ["ann-4", "ann-5"]

    def test_what_is_right(self):
        self.finds()
        self.finds(may_lose=True)
        self.assertEqual(self.history.acknowledged(), 6)

    def test_a_message_that_nobody_answered_may_be_there_or_not(self):
        self.history.send("ann", 4, ROOM, "ann-4")
        self.history.send("bob", 4, ROOM, "bob-4")
        for session in (self.made.stays, self.made.late, self.made.again, self.made.stream):
            session.add(Heard(7, "bob-4"))
        self.made.plain.texts.append("bob-4")
        self.finds()

    def test_lost(self):
        self.history.answer(self.history.send("ann", 4, ROOM, "ann-4"), 7, EPOCH)
        self.finds(history.LOST)
        # Not excused by a log that was lost, either: its epoch is the last.
        self.finds(history.LOST, may_lose=True)

    def test_lost_at_a_door_that_says_no_epoch(self):
        self.history.answer(self.history.send("ann", 4, ROOM, "ann-4"), 7)
        self.finds(history.LOST)

    def test_another_message_at_the_offset(self):
        self.made.late.events[-1] = Heard(6, "ann-1")
        self.assertIn(history.FORKED, self.made.kinds())
        self.assertIn(history.DOUBLED, self.made.kinds())

    def test_two_that_changed_places(self):
        self.made.late.events[-2:] = [Heard(5, self.made.texts[6]), Heard(6, self.made.texts[5])]
        self.assertIn(history.FORKED, self.made.kinds())

    def test_doubled(self):
        for session in (self.made.stays, self.made.late, self.made.again, self.made.stream):
            session.add(Heard(7, "ann-3"))
        self.assertIn(history.DOUBLED, self.made.kinds())

    def test_a_repeat(self):
        self.made.stays.events.insert(3, Heard(2, self.made.texts[2]))
        self.finds(history.REPEATED)

    def test_a_hole(self):
        del self.made.stays.events[3]
        self.finds(history.HOLES)
        self.finds(history.HOLES, may_lose=True)

    def test_a_hole_at_the_start(self):
        del self.made.late.events[1]
        self.finds(history.HOLES)

    def test_a_hole_before_what_joined_brings(self):
        self.made.again.events[0] = Joined(EPOCH, 4, (EPOCH, 2), True, ((4, self.made.texts[4]),))
        self.finds(history.HOLES)

    def test_a_hole_behind_what_joined_brings(self):
        self.made.again.events[0] = Joined(EPOCH, 4, (EPOCH, 2), True, ((3, self.made.texts[3]),))
        self.finds(history.HOLES)

    def test_joined_that_brings_nothing(self):
        self.made.again.events[0] = Joined(EPOCH, 4, (EPOCH, 2), True, ())
        self.finds(history.HOLES)

    def test_a_hole_in_a_stream(self):
        del self.made.stream.events[1]
        self.finds(history.HOLES)

    def test_a_gap_excuses_a_hole(self):
        self.made.stays.events[3:5] = [Gap(3, 4), Joined(EPOCH, 4)]
        self.finds()

    def test_a_gap_that_says_too_little(self):
        self.made.stays.events[3:5] = [Gap(4, 4), Joined(EPOCH, 4)]
        self.finds(history.HOLES)

    def test_a_second_joined_that_hides_a_hole(self):
        self.made.stays.events[3:5] = [Joined(EPOCH, 4)]
        self.finds(history.HOLES)

    def test_not_recovered(self):
        self.made.again.events[0] = Joined(EPOCH, 4, (EPOCH, 2), False, self.made.again.events[0].messages)
        self.finds(history.UNRECOVERED)

    def test_recovered_into_another_epoch(self):
        self.made.again.events[0] = Joined(EPOCH, 4, ("e0", 2), True, self.made.again.events[0].messages)
        self.finds(history.UNRECOVERED)

    def test_behind_at_the_end(self):
        del self.made.late.events[-1]
        self.finds(history.BEHIND)
        self.made.late.stayed = False
        self.finds()

    def test_a_wrong_answer(self):
        self.history.answer("ann-1", 2, EPOCH)
        self.finds(history.ANSWERS)

    def test_out_of_order(self):
        self.history.send("ann", 4, ROOM, "ann-5")
        self.history.send("ann", 5, ROOM, "ann-4")
        for session in (self.made.stays, self.made.late, self.made.again, self.made.stream):
            session.add(Heard(7, "ann-4"))
            session.add(Heard(8, "ann-5"))
        self.made.plain.texts += ["ann-4", "ann-5"]
        self.finds(history.UNORDERED)
        # Whoever was refused in between has sent it again.
        self.history.refuse("ann-5", "unavailable")
        self.finds()

    def test_of_nobody(self):
        self.made.stays.add(Heard(7, "who"))
        self.assertIn(history.STRANGE, self.made.kinds())

    def test_in_another_room(self):
        self.history.send("ann", 9, "mate", "ann-9")
        self.made.plain.texts.append("ann-9")
        self.assertIn(history.STRANGE, self.made.kinds())

    def test_another_epoch(self):
        self.new_epoch()
        self.finds(history.EPOCHS)
        self.finds(may_lose=True)

    def test_a_reader_who_is_not_told_of_another_epoch(self):
        self.new_epoch()
        del self.made.late.events[-4:]
        self.finds(history.BEHIND, may_lose=True)

    def test_lost_in_the_new_epoch(self):
        self.new_epoch()
        self.history.answer(self.history.send("ann", 6, ROOM, "ann-6"), 3, NEXT)
        self.finds(history.LOST, may_lose=True)

    def test_lost_with_the_old_epoch(self):
        self.new_epoch()
        self.history.answer(self.history.send("bob", 6, ROOM, "bob-6"), 7, EPOCH)
        self.finds(may_lose=True)

    def test_texts_without_offsets(self):
        for change, kind in ((lambda texts: texts.pop(1), history.HOLES),
                             (lambda texts: texts.append(texts[-1]), history.REPEATED),
                             (lambda texts: texts.insert(0, texts.pop(1)), history.UNORDERED),
                             (lambda texts: texts.pop(), history.BEHIND)):
            with self.subTest(kind):
                self.made = Made()
                change(self.made.plain.texts)
                self.assertIn(kind, self.made.kinds())

    def test_a_text_that_only_one_was_told(self):
        self.history.send("ann", 4, ROOM, "ann-4")
        self.made.plain.texts.append("ann-4")
        self.assertIn(history.PARTIAL, self.made.kinds())


class WithNodes(Case):
    def test_a_node_that_keeps_messages_on_disk_is_killed(self):
        start = lambda: self.start_node(flags=["--data", self.data, *self.secret_flags()])
        nodes = [start()]
        with crowd_at(nodes) as crowd:
            for _ in range(2):
                crowd.wait_for(50)
                nodes[0].kill()
                nodes[0] = start()
            crowd.wait_for(50)
            told = crowd.finish()
        self.assert_right(told)

    def test_a_node_that_keeps_messages_in_memory_is_killed(self):
        start = lambda: self.start_node(flags=self.secret_flags())
        nodes = [start()]
        with crowd_at(nodes) as crowd:
            crowd.wait_for(50)
            nodes[0].kill()
            nodes[0] = start()
            crowd.wait_for(50)
            told = crowd.finish()
        self.assertIn(history.EPOCHS, told.check().counts)
        self.assert_right(told, may_lose=True)

    def test_nodes_that_share_nothing(self):
        nodes = [self.start_node(flags=self.secret_flags()) for _ in range(3)]
        crowd = Crowd(nodes).begin()
        crowd.wait_for(100)
        # The last messages are said at one node alone: nobody would ever be done.
        told = crowd.stop()
        found = told.check().counts
        self.assertIn(history.EPOCHS, found)
