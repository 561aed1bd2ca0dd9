#!/usr/bin/env python3
"""Clients in Python: the whole life of one at the JSON door, on `websockets`, and a reader of the stream of events."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
import unittest
import urllib.error
import urllib.request

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parlor  # noqa: E402

PROTOCOL = "parlor.v1.json"
SECONDS = 20


class Client:
    """A client of the JSON door: what it hears waits until someone takes it."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []
        self.last_id = 0
        self.welcome = self.hear(type="welcome")

    def hear(self, **fields):
        """The first event with these fields, when it is there; the others stay."""
        for event in self.heard:
            if fields.items() <= event.items():
                self.heard.remove(event)
                return event
        while True:
            event = json.loads(self.socket.recv(SECONDS))
            if all(event.get(field) == value for field, value in fields.items()):
                return event
            self.heard.append(event)

    def send(self, type, **fields):
        self.last_id += 1
        self.socket.send(json.dumps({"type": type, "id": self.last_id, **fields}))
        return self.last_id

    def ask(self, type, **fields):
        """Sends a command, and returns its answer."""
        return self.hear(id=self.send(type, **fields))

    def lose(self):
        """The connection is lost, without a word."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    def closed(self):
        """Reads to the end, and says with which code and reason it came."""
        try:
            while True:
                self.heard.append(json.loads(self.socket.recv(SECONDS)))
        except ConnectionClosed as end:
            return (end.rcvd.code, end.rcvd.reason) if end.rcvd else None


def names(people):
    return sorted(person["name"] for person in people)


def said(messages):
    return [(message["offset"], message["data"]) for message in messages]


class Fixture(unittest.TestCase):
    options = {}

    def serve(self, *flags):
        self.server = self.enterContext(parlor.serving(*flags))

    def enter(self, name=None):
        url = "ws://127.0.0.1:%d/ws" % self.server.port
        client = Client(self.enterContext(connect(url, subprotocols=[PROTOCOL], **self.options)))
        self.assertEqual(client.socket.subprotocol, PROTOCOL)
        if name:
            self.assertEqual(client.ask("login", name=name)["you"]["name"], name)
        return client


class Life(Fixture):
    options = {"compression": None}
    window_bits = None

    def test_comes_in_under_a_name(self):
        self.serve()
        alice, other = self.enter(), self.enter()
        self.assertRegex(alice.welcome["you"]["name"], "^guest-")
        welcome = alice.ask("login", name="Alice 茶")
        self.assertEqual(welcome["you"], {"id": alice.welcome["you"]["id"], "name": "Alice 茶"})
        self.assertEqual(welcome["limits"]["message"], 65536)
        self.assertEqual(other.ask("login", name="ALICE 茶")["code"], "name_taken")

    def test_says_and_hears_all_that_a_message_can_be(self):
        self.serve()
        alice, bob = self.enter("Alice"), self.enter("Bob")
        agreed = [extension.remote_max_window_bits for extension in alice.socket.protocol.extensions]
        self.assertEqual(agreed, [self.window_bits] if self.window_bits else [])
        for client in (alice, bob):
            self.assertFalse(client.ask("join", room="茶")["recovered"])
        things = ["", "text \"in\" 茶 😀\n\u2028", {"a": [1, 2.5, {"b": None}]}, 42, None, False, "long " * 12_000]
        for data in things:
            offset = alice.ask("publish", room="茶", data=data)["offset"]
            for client in (alice, bob):
                message = client.hear(type="message")
                self.assertEqual((message["data"], message["offset"], message["from"]["name"]), (data, offset, "Alice"))
        binary = base64.b64encode(bytes(range(256))).decode()
        alice.ask("publish", room="茶", binary=binary)
        self.assertEqual(bob.hear(type="message")["binary"], binary)
        self.assertNotIn("offset", alice.ask("publish", room="茶", data="typing", ephemeral=True))
        self.assertTrue(bob.hear(type="message", data="typing")["ephemeral"])
        history = bob.ask("history", room="茶", limit=3, before=8)
        self.assertEqual((said(history["messages"]), history["more"]), ([(5, None), (6, False), (7, things[6])], True))

    def test_knows_who_is_there(self):
        self.serve()
        alice = self.enter("Alice")
        self.assertEqual(names(alice.ask("join", room="tea")["members"]), ["Alice"])
        bob = self.enter("Bob")
        self.assertEqual(bob.ask("join", room="tea")["count"], 2)
        self.assertEqual(names(alice.hear(type="presence")["joined"]), ["Bob"])
        members = alice.ask("members", room="tea")
        self.assertEqual((names(members["members"]), members["count"]), (["Alice", "Bob"], 2))
        self.assertEqual(bob.ask("rooms")["rooms"], [{"name": "tea", "count": 2}])

        self.assertEqual(alice.ask("direct", to="bob", data={"psst": 1})["type"], "ok")
        direct = bob.hear(type="direct")
        self.assertEqual((direct["from"]["name"], direct["to"]["name"], direct["data"]), ("Alice", "Bob", {"psst": 1}))
        self.assertEqual(alice.hear(type="direct")["data"], {"psst": 1})
        self.assertEqual(alice.ask("direct", to="Carol", data=1)["code"], "no_such_user")

        self.assertEqual(bob.ask("leave", room="tea")["type"], "ok")
        self.assertEqual(names(alice.hear(type="presence")["left"]), ["Bob"])
        self.assertEqual(bob.ask("leave", room="tea")["code"], "not_joined")

    def test_finds_the_state_of_each_key(self):
        self.serve()
        sensor, reader = self.enter(), self.enter()
        for key, data in (("t1", 20), ("t2", 30), ("t1", 21), ("t2", None)):
            sensor.ask("publish", room="plant", key=key, data=data, retain=True)
        retained = reader.ask("join", room="plant")["retained"]
        self.assertEqual([(it["key"], it["data"], it["offset"]) for it in retained], [("t1", 21, 3)])

    def test_says_a_thing_once_however_often_it_sends_it(self):
        self.serve()
        alice, bob = self.enter(), self.enter()
        bob.ask("join", room="tea")
        offsets = [alice.ask("publish", room="tea", data=it, dedup=it)["offset"] for it in "abac"]
        self.assertEqual(offsets, [1, 2, 1, 3])
        self.assertEqual(said(bob.hear(type="message") for _ in range(3)), [(1, "a"), (2, "b"), (3, "c")])

    def test_comes_back_after_a_lost_connection_and_has_missed_nothing(self):
        self.serve()
        alice, other = self.enter("Alice"), self.enter()
        epoch = alice.ask("join", room="tea")["epoch"]
        other.ask("publish", room="tea", data="heard")
        since = {"epoch": epoch, "offset": alice.hear(type="message")["offset"]}
        alice.lose()
        self.assertIsNone(alice.closed())
        for data in ("missed", "this, too"):
            other.ask("publish", room="tea", data=data)

        again = self.enter()
        you = again.ask("login", resume=alice.welcome["resume"])["you"]
        self.assertEqual(you, {"id": alice.welcome["you"]["id"], "name": "Alice"})
        joined = again.ask("join", room="tea", since=since)
        self.assertEqual((joined["recovered"], said(joined["messages"])), (True, [(2, "missed"), (3, "this, too")]))
        other.ask("publish", room="tea", data="live")
        self.assertEqual(said([again.hear(type="message")]), [(4, "live")])

        joined = again.ask("join", room="tea", since={**since, "epoch": "0123456789abcdef"}, last=1)
        self.assertEqual((joined["recovered"], said(joined["messages"])), (False, [(4, "live")]))
        self.assertEqual(again.ask("login", resume="made up")["code"], "bad_resume")

    def test_is_told_to_slow_down_and_does(self):
        self.serve("--rate", "2")
        client = self.enter()
        answers = [client.hear(id=asked) for asked in [client.send("ping") for _ in range(7)]]
        refused = next(answer for answer in answers if answer["type"] == "error")
        self.assertEqual(refused["code"], "rate_limited")
        while refused["type"] != "pong":
            time.sleep(refused["retry_ms"] / 1000)
            refused = client.ask("ping")
        with contextlib.suppress(ConnectionClosed):
            for _ in range(30):
                client.send("ping")
        self.assertEqual(client.closed(), (1008, "too many commands"))

    def test_is_told_when_the_server_ends_and_when_to_come_back(self):
        self.serve()
        client = self.enter()
        self.server.process.send_signal(signal.SIGTERM)
        bye = client.hear(type="bye")
        self.assertEqual((bye["code"], bye["reason"]), (1001, "server is shutting down"))
        self.assertGreaterEqual(bye["retry_ms"], 0)
        self.assertEqual(client.closed(), (1001, "server is shutting down"))
        self.assertEqual(self.server.process.wait(SECONDS), 0)


class CompressedLife(Life):
    """The same with permessage-deflate, as `websockets` asks for it."""

    options = {"compression": "deflate"}
    window_bits = 15


class NarrowLife(Life):
    """The same with the smallest window that zlib knows."""

    options = {"compression": None, "extensions": [ClientPerMessageDeflateFactory(server_max_window_bits=9)]}
    window_bits = 9


class Events(Fixture):
    """The standard library alone reads the stream of events."""

    def stream(self, room, query="", last_event_id=None):
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        url = "http://127.0.0.1:%d/rooms/%s/events%s" % (self.server.port, room, query)
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=SECONDS)
        self.addCleanup(response.close)
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        return response

    def next(self, stream):
        """The next event: its type, its id, its data."""
        event, lines = {}, []
        for line in iter(stream.readline, b"\n"):
            self.assertTrue(line.endswith(b"\n"), "the stream has ended")
            field, value = re.fullmatch(r"(\w*): ?(.*)\n", line.decode()).groups()
            event[field] = value
        if "data" not in event:
            return self.next(stream)
        return event.get("event", "message"), event.get("id"), json.loads(event["data"])

    def test_comes_back_and_has_missed_nothing(self):
        self.serve()
        speaker = self.enter()
        speaker.ask("publish", room="tea", data=20, key="t1", retain=True)
        stream = self.stream("tea")
        kind, at, joined = self.next(stream)
        self.assertEqual((kind, joined["offset"], joined["recovered"]), ("joined", 1, False))
        # The position comes with the last of the state, so that whoever is cut off before it is told all of it again.
        self.assertIsNone(at)
        _, at, state = self.next(stream)
        self.assertEqual((at, state["data"]), (joined["epoch"] + "-1", 20))
        speaker.ask("publish", room="tea", data="heard\nin two lines")
        kind, at, message = self.next(stream)
        self.assertEqual((kind, message["data"]), ("message", "heard\nin two lines"))
        stream.close()
        for data in ("missed", {"missed": True}):
            speaker.ask("publish", room="tea", data=data)
        stream = self.stream("tea", last_event_id=at)
        self.assertTrue(self.next(stream)[2]["recovered"])
        self.assertEqual(said(self.next(stream)[2] for _ in range(2)), [(3, "missed"), (4, {"missed": True})])
        speaker.ask("publish", room="tea", data="live")
        self.assertEqual(said([self.next(stream)[2]]), [(5, "live")])

    def test_begins_with_the_newest_and_ends_with_the_server(self):
        self.serve()
        speaker = self.enter()
        for data in "abc":
            speaker.ask("publish", room="tea", data=data)
        stream = self.stream("tea", "?last=2", last_event_id="of-another-server")
        self.assertFalse(self.next(stream)[2]["recovered"])
        self.assertEqual(said(self.next(stream)[2] for _ in range(2)), [(2, "b"), (3, "c")])
        self.server.process.send_signal(signal.SIGTERM)
        kind, _, bye = self.next(stream)
        self.assertEqual((kind, bye["code"]), ("bye", 1001))
        self.assertEqual(stream.read(), b"")

    def test_is_told_what_is_wrong(self):
        self.serve()
        with self.assertRaises(urllib.error.HTTPError) as error:
            self.stream("no%20room")
        self.assertEqual((error.exception.code, json.load(error.exception)["status"]), (400, 400))


if __name__ == "__main__":
    parlor.run_tests("clients-python")
