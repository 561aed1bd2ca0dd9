"""Clients at every door of any node, who write what they send and are told into a history, and who go to the next node
when they lose theirs."""

import asyncio
import json
import random
import re
import socket
import urllib.parse

from nodes import token
from history import Gap, Heard, Joined

from clients import Http, WebSocket, connection, events  # those of tests/durability

LOST = (OSError, EOFError, AssertionError, TimeoutError)
FENCE = "fence"
# How many messages of one sender are on the way at once.
MOST_ON_THE_WAY = 8
# What a client waits before it comes back, and at most before it sends again what was refused.
BACK_OFF, LONGEST_RETRY = 0.05, 0.5
# What one who is not answered waits for what it has said to come back.
PATIENCE = 3


def fence_of(room):
    return "%s-1 %s" % (FENCE, room)


class Client:
    """Somebody who is at one node at a time."""

    def __init__(self, name, crowd, place):
        self.name, self.crowd, self.place = name, crowd, place
        self.history = crowd.history
        self.random = random.Random("%s:%s" % (name, crowd.seed))
        self.token = token(name)
        self.is_done = False

    async def run(self):
        while not self.is_done:
            try:
                async with connection(self.port_of(self.node())) as streams:
                    await self.talk(*streams)
            except LOST:
                self.lost()
            if not self.is_done:
                self.place += 1
                await asyncio.sleep(BACK_OFF)

    def node(self):
        return self.crowd.nodes[self.place % len(self.crowd.nodes)]

    @staticmethod
    def port_of(node):
        return node.port

    def lost(self):
        """The connection has ended before everything was done."""

    def path(self, path, **query):
        return "%s?%s" % (path, urllib.parse.urlencode({"token": self.token, **query}))


class Sender(Client):
    """Sends as long as the crowd wants."""

    def __init__(self, name, crowd, place):
        super().__init__(name, crowd, place)
        self._number = 0

    def compose(self, room=None):
        """A new message, written down as sent."""
        self._number += 1
        room = room or self.random.choice(self.crowd.rooms)
        text = "%s-%d %s" % (self.name, self._number, "x" * self.random.choice([0, 20, 100, 600]))
        self.history.send(self.name, self._number, room, text)
        return room, text

    async def pace(self):
        await asyncio.sleep(self.crowd.pace)


class JsonSender(Sender):
    """At the JSON door, several at once, each with an id; what was not answered is sent again."""

    def __init__(self, name, crowd, place):
        super().__init__(name, crowd, place)
        self._on_the_way, self._again = {}, []

    def lost(self):
        self._again += self._on_the_way.values()
        self._on_the_way.clear()
        self.history.uncertain.update(text for _, text in self._again)

    async def talk(self, *streams):
        self._socket = await WebSocket(*streams).open(self.path("/ws"), "parlor.v1.json")
        await self._socket.receive()
        while not self.crowd.is_over or self._on_the_way or self._again:
            if self._again and not self._on_the_way:
                for room, text in self._again[:MOST_ON_THE_WAY]:
                    self._publish(room, text)
                del self._again[:MOST_ON_THE_WAY]
            elif not self.crowd.is_over and not self._again and len(self._on_the_way) < MOST_ON_THE_WAY:
                self._publish(*self.compose())
                await self.pace()
                if len(self._on_the_way) < MOST_ON_THE_WAY // 2 and not self.crowd.is_over:
                    continue
            await self._socket.drain()
            await self._take()
        self.is_done = True

    def _publish(self, room, text):
        number = text.split(" ", 1)[0]
        self._on_the_way[number] = room, text
        self._socket.send(json.dumps({"type": "publish", "room": room, "data": text, "id": number, "dedup": number}))

    async def _take(self):
        event = json.loads(await self._socket.receive())
        if event["type"] == "ok":
            _, text = self._on_the_way.pop(event["id"])
            self.crowd.answered(self, text, event["offset"])
        elif event["type"] == "error" and "id" in event:
            said = self._on_the_way.pop(event["id"])
            self.crowd.refused(self, said[1], event["code"])
            self._again.append(said)
            await asyncio.sleep(min(event["retry_ms"] / 1000, LONGEST_RETRY))


class Poster(Sender):
    """POSTs, one after another, each with an id, until it is taken."""

    def __init__(self, name, crowd, place):
        super().__init__(name, crowd, place)
        self._unanswered = None

    async def talk(self, *streams):
        http = Http(*streams)
        while self._unanswered or not self.crowd.is_over:
            if self._unanswered:
                self.history.uncertain.add(self._unanswered[1])
            self._unanswered = self._unanswered or self.compose()
            room, text = self._unanswered
            status, answer = await http.request(
                "POST", self.path("/rooms/" + room, dedup=text.split(" ", 1)[0]), text.encode())
            if status == 200:
                self._unanswered = None
                self.crowd.answered(self, text, answer["offset"], answer["epoch"])
                await self.pace()
            else:
                self.crowd.refused(self, text, status)
                await asyncio.sleep(LONGEST_RETRY)
        self.is_done = True


class Fencer(Poster):
    """Says the last message of each room, once everyone has said theirs."""

    def __init__(self, crowd, place):
        super().__init__(FENCE, crowd, place)
        self._left = list(crowd.rooms)

    def compose(self):
        room = self._left.pop()
        self._number += 1
        return room, self.history.send(FENCE, self._number, room, fence_of(room))

    async def talk(self, *streams):
        http = Http(*streams)
        while self._unanswered or self._left:
            self._unanswered = self._unanswered or self.compose()
            room, text = self._unanswered
            status, answer = await http.request("POST", self.path("/rooms/" + room, dedup=text), text.encode())
            if status == 200:
                self._unanswered = None
                self.crowd.answered(self, text, answer["offset"], answer["epoch"])
            else:
                self.crowd.refused(self, text, status)
                await asyncio.sleep(LONGEST_RETRY)
        self.is_done = True


class PlainSender(Sender):
    """At the plain door, where the sender is told what is in the room, and nothing else. Sends nothing twice."""

    async def talk(self, *streams):
        room = self.crowd.rooms[0]
        self._on_the_way = set()
        socket = await WebSocket(*streams).open(self.path("/ws/" + room))
        while not self.crowd.is_over:
            _, text = self.compose(room)
            self._on_the_way.add(text)
            socket.send(text)
            await socket.drain()
            await self.pace()
            while len(self._on_the_way) > 2:
                self._on_the_way.discard(await asyncio.wait_for(socket.receive(), PATIENCE))
        while self._on_the_way:
            self._on_the_way.discard(await asyncio.wait_for(socket.receive(), PATIENCE))
        self.is_done = True

    def lost(self):
        # It may be carried out later, behind what is said at the next node.
        self.history.uncertain.update(getattr(self, "_on_the_way", ()))
        self.is_done = self.crowd.is_over


class Typist(Sender):
    """Sends lines, which are not answered."""

    @staticmethod
    def port_of(node):
        return node.line_port

    async def talk(self, reader, writer):
        room = self.crowd.rooms[0]
        await join_lines(reader, writer, self.token, room)
        reads = asyncio.create_task(reader.read())
        self._said = []
        try:
            while not self.crowd.is_over and not reads.done():
                self._said.append(self.compose(room)[1])
                writer.write(self._said[-1].encode() + b"\n")
                await writer.drain()
                await self.pace()
        finally:
            reads.cancel()
        if not self.crowd.is_over:
            raise ConnectionError("closed")
        self.is_done = True

    def lost(self):
        self.history.uncertain.update(getattr(self, "_said", [])[-100:])


class Sprayer(Sender):
    """Sends datagrams to one node, whoever receives them."""

    async def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spray:
            while not self.crowd.is_over:
                room, text = self.compose()
                try:
                    spray.sendto(("%s %s %s" % (self.token, room, text)).encode(), ("127.0.0.1", self.node().udp_port))
                except ConnectionError:
                    pass  # the node is gone; a new one may come
                await self.pace()
        self.is_done = True


class Reader(Client):
    """Follows rooms until the last message of each, and says where it was when it comes back."""

    def __init__(self, name, crowd, place, rooms):
        super().__init__(name, crowd, place)
        self.rooms = rooms
        self.places = {}
        self._left = set(rooms)
        self._has_begun = False

    def begun(self):
        if not self._has_begun:
            self._has_begun = True
            self.crowd.reader_has_begun()

    def hear(self, session, text):
        """Whether it was the last."""
        self.crowd.heard(self)
        if text == fence_of(session.room):
            session.stayed = True
            self._left.discard(session.room)
        self.is_done = not self._left
        return self.is_done


class JsonReader(Reader):
    """Many rooms on one connection. With `hops` it goes to another node after so many messages."""

    def __init__(self, name, crowd, place, rooms, hops=None):
        super().__init__(name, crowd, place, rooms)
        self._hops = hops

    async def talk(self, *streams):
        socket = await WebSocket(*streams).open(self.path("/ws"), "parlor.v1.json")
        sessions, since, heard = {}, {}, 0
        for room in self._left:
            sessions[room] = self.history.session(self.name, room)
            since[room] = self.places.get(room)
            where = {"since": dict(zip(("epoch", "offset"), since[room]))} if since[room] else {}
            socket.send(json.dumps({"type": "join", "room": room, **where}))
        while True:
            event = json.loads(await socket.receive())
            session = sessions.get(event.get("room"))
            if event["type"] == "error":
                raise ConnectionError(str(event))
            if session is None or session.stayed:
                continue
            if event["type"] == "joined":
                self._joined(session, event, since.pop(session.room, None))
                if not since:
                    self.begun()
            elif event["type"] == "message" and not event.get("ephemeral"):
                session.add(Heard(event["offset"], event["data"]))
                self.places[session.room] = self.places[session.room][0], event["offset"]
                heard += 1
                self.hear(session, event["data"])
            elif event["type"] == "gap":
                session.add(Gap(event["from"], event["to"]))
            if self.is_done or self._hops and heard >= self._hops and not since and not self.crowd.is_over:
                return

    def _joined(self, session, event, since):
        messages = tuple((it["offset"], it["data"]) for it in event["messages"])
        session.add(Joined(event["epoch"], event["offset"], since, event["recovered"], messages))
        self.places[session.room] = event["epoch"], event["offset"]
        for _, text in messages:
            self.hear(session, text)


class Listener(Reader):
    """One room as server-sent events."""

    async def talk(self, reader, writer):
        room, = self.rooms
        session, since = self.history.session(self.name, room), self.places.get(room)
        last = "Last-Event-ID: %s-%d\r\n" % since if since else ""
        writer.write(("GET %s HTTP/1.0\r\nHost: localhost\r\n%s\r\n"
                      % (self.path("/rooms/%s/events" % room), last)).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        async for name, data in events(reader):
            if name == "joined":
                session.add(Joined(data["epoch"], data["offset"], since, data["recovered"], None))
                epoch, since = data["epoch"], None
                if not data["recovered"]:
                    self.places[room] = epoch, data["offset"]
                self.begun()
            elif name == "gap":
                session.add(Gap(data["from"], data["to"]))
            elif name == "message":
                session.add(Heard(data["offset"], data["data"]))
                self.places[room] = epoch, data["offset"]
                if self.hear(session, data["data"]):
                    return
            elif name == "bye":
                raise ConnectionError(str(data))
        raise ConnectionError("closed")


class PlainReader(Reader):
    """One room, without offsets."""

    async def talk(self, *streams):
        room, = self.rooms
        socket = await WebSocket(*streams).open(self.path("/ws/" + room))
        session = self.history.session(self.name, room)
        self.begun()
        while True:
            session.texts.append(await socket.receive())
            if self.hear(session, session.texts[-1]):
                return


class LineReader(Reader):
    """One room as lines. It is shown the last ten messages first."""

    @staticmethod
    def port_of(node):
        return node.line_port

    async def talk(self, reader, writer):
        room, = self.rooms
        await join_lines(reader, writer, self.token, room)
        session = self.history.session(self.name, room)
        self.begun()
        while True:
            found = re.fullmatch(r"[^* :][^ :]*: (.*)\r?\n", (await line_of(reader)).decode())
            if found:
                session.texts.append(found.group(1))
                if self.hear(session, session.texts[-1]):
                    return


async def line_of(reader):
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("closed")
    return line


async def join_lines(reader, writer, shown, room):
    """Shows a token and goes into a room, unless that cannot be."""
    writer.write(("/login %s\n/join %s\n" % (shown, room)).encode())
    while b"in %s" % room.encode() not in (line := await line_of(reader)):
        if line.startswith(b"! "):
            raise ConnectionError(line.decode())
