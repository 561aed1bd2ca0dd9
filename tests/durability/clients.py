"""Clients at several doors of one server, who write what they send and see into a ledger until the server is gone."""

import asyncio
import collections
import contextlib
import json
import random
import re
import struct
import urllib.parse

from ledger import Known, Seen, Sent, Stored, content_of, label, text_of

SECONDS = 20
LOST = (ConnectionError, asyncio.IncompleteReadError)


@contextlib.asynccontextmanager
async def connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


class Http:
    """Requests on one connection that is kept."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    async def request(self, method, target, body=b""):
        """Gives the status, and the body as JSON if it is some."""
        head = "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, target, len(body))
        self._writer.write(head.encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        answer = await self._reader.readexactly(int(fields.get("content-length", 0)))
        is_json = "json" in fields.get("content-type", "")
        return int(head.split(" ")[1]), json.loads(answer) if is_json else answer


class WebSocket:
    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    async def open(self, path, protocol=None):
        self._writer.write((
            "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
            % (path, "Sec-WebSocket-Protocol: %s\r\n" % protocol if protocol else "")).encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return self

    def send(self, text, opcode=1):
        """A frame with a mask of zeros."""
        payload = text.encode() if isinstance(text, str) else text
        length = (bytes([0x80 | len(payload)]) if len(payload) < 126
                  else b"\xfe" + struct.pack(">H", len(payload)))
        self._writer.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    async def drain(self):
        await self._writer.drain()

    async def receive(self):
        """The next text. The end is a ConnectionError, as if it had been lost."""
        while True:
            opcode, length = await self._reader.readexactly(2)
            if length == 126:
                length, = struct.unpack(">H", await self._reader.readexactly(2))
            elif length == 127:
                length, = struct.unpack(">Q", await self._reader.readexactly(8))
            payload = await self._reader.readexactly(length)
            if opcode == 0x81:
                return payload.decode()
            if opcode == 0x89:
                self.send(payload, opcode=10)
            if opcode == 0x88:
                raise ConnectionError("closed: %r" % payload)


class Client:
    """One who comes back after each restart under the same name."""

    def __init__(self, name, load):
        self.name, self.load, self.ledger = name, load, load.ledger
        self.random = random.Random("%s:%s" % (name, load.seed))
        self._number = self.ledger.last_number(name)

    async def run(self, port):
        """Until the connection is lost."""
        with contextlib.suppress(*LOST):
            async with connection(port) as streams:
                await self.talk(*streams)

    def compose(self, room, dedup=False, key=None, longest=9000):
        """A new message, written down as sent."""
        self._number += 1
        text = label(self.name, self._number)
        if longest:
            text += " " + "x" * self.random.randrange(self.random.choice([20, 100, 300, 300, 2000, longest]))
        sent = Sent(self.load.position(), self.name, self._number, room, text,
                    label(self.name, self._number) if dedup else None, key)
        self.ledger.add(sent)
        return sent

    def saw(self, room, text, epoch=None, offset=None):
        self.ledger.add(Seen(self.load.position(), self.name, room, text, epoch, offset))


class JsonClient(Client):
    """At the JSON door, as the person it was before."""

    async def welcome(self, streams):
        self.socket = await WebSocket(*streams).open("/ws", "parlor.v1.json")
        welcome = json.loads(await self.socket.receive())
        known = self.ledger.person(self.name)
        if known:
            self.command("login", resume=known.secret)
            welcome = await self.answer("welcome")
        if welcome["type"] == "welcome":
            self.ledger.add(Known(self.load.position(), self.name, welcome["you"]["id"], welcome["resume"]))
        return welcome

    def command(self, kind, **fields):
        self.socket.send(json.dumps({"type": kind, **fields}))

    async def event(self):
        return json.loads(await self.socket.receive())

    async def answer(self, kind):
        while True:
            event = await self.event()
            if event["type"] in (kind, "error"):
                return event


class JsonSender(JsonClient):
    """Publishes with ids, several at once, and first what was not answered before the connection was lost."""

    async def talk(self, *streams):
        await self.welcome(streams)
        self._on_the_way = {}
        for sent in self.ledger.unanswered(self.name):
            self._publish(sent)
        while True:
            await self.socket.drain()
            while self._on_the_way and (len(self._on_the_way) > 8 or self.random.random() < 0.6):
                await self._hear()
            self._publish(self.compose(self.random.choice(self.load.rooms), dedup=True,
                                       key=self.random.choice([None, None, "a", "b", self.name])))

    def _publish(self, sent):
        self._on_the_way[sent.dedup] = sent
        fields = {"key": sent.key, "retain": True} if sent.key else {}
        self.command("publish", id=sent.dedup, dedup=sent.dedup, room=sent.room, data=sent.text, **fields)

    async def _hear(self):
        event = await self.event()
        if event["type"] not in ("ok", "error"):
            return
        sent = self._on_the_way.pop(event["id"])
        if event["type"] == "ok":
            self.saw(sent.room, sent.text, offset=event["offset"])
        else:
            self.load.refused[event["code"]] += 1


class PlainSender(Client):
    """At the plain door, where everyone, the sender too, is told what is in the room."""

    async def talk(self, *streams):
        room = self.random.choice(self.load.rooms)
        socket = await WebSocket(*streams).open("/ws/" + room)
        on_the_way = set()
        while True:
            sent = self.compose(room)
            on_the_way.add(sent.text)
            socket.send(sent.text)
            await socket.drain()
            while len(on_the_way) > 4:
                text = await socket.receive()
                text = text_of(json.loads(text)) if text.startswith("{") else text
                self.saw(room, text)
                on_the_way.discard(text)


class Poster(Client):
    """POSTs, one after another, with ids, and first what was not answered before the connection was lost."""

    async def talk(self, *streams):
        http = Http(*streams)
        again = self.ledger.unanswered(self.name)
        while True:
            sent = again.pop(0) if again else self.compose(self.random.choice(self.load.rooms), dedup=True)
            query = urllib.parse.urlencode({"name": self.name, "dedup": sent.dedup})
            status, answer = await http.request("POST", "/rooms/%s?%s" % (sent.room, query), sent.text.encode())
            if status == 200:
                self.saw(sent.room, sent.text, answer["epoch"], answer["offset"])
            else:
                self.load.refused[status] += 1


class Uploader(Client):
    """Sends files."""

    async def talk(self, *streams):
        http = Http(*streams)
        while True:
            room = self.random.choice(self.load.rooms)
            sent = self.compose(room, longest=0)
            status, answer = await http.request("PUT", "/rooms/%s/files/%s" % (room, sent.text), content_of(sent.text))
            if status == 201:
                self.saw(room, sent.text, answer["epoch"], answer["offset"])
                self.ledger.add(Stored(self.load.position(), sent.text, answer["data"]["file"]["href"]))
            else:
                self.load.refused[status] += 1
            await asyncio.sleep(0.01)


class Typist(Client):
    """Sends lines, which have no answer, and reads what others say."""

    async def talk(self, reader, writer):
        room = self.random.choice(self.load.rooms)
        writer.write(("/join %s\r\n" % room).encode())
        hears = asyncio.create_task(self._hear(reader, room))
        try:
            while not hears.done():
                writer.write((self.compose(room, longest=2000).text + "\r\n").encode())
                await writer.drain()
                await asyncio.sleep(0.002)
        finally:
            await hears

    async def _hear(self, reader, room):
        """What others say."""
        while line := (await reader.readline()).decode():
            if found := re.fullmatch(r"[^* :][^ :]*: ([a-z]+-\d+ x*)\n", line):
                self.saw(room, found.group(1))


class JsonReader(JsonClient):
    """In all rooms, from where it was before."""

    async def talk(self, *streams):
        await self.welcome(streams)
        places = self.ledger.places(self.name)
        epochs = {}
        for room in self.load.rooms:
            place = places.get(room)
            since = {"since": {"epoch": place.epoch, "offset": place.offset}} if place else {}
            self.command("join", room=room, **since)
        while True:
            event = await self.event()
            if event["type"] == "joined":
                epochs[event["room"]] = event["epoch"]
                for message in event["messages"]:
                    self.saw(event["room"], text_of(message["data"]), event["epoch"], message["offset"])
            if event["type"] == "message":
                self.saw(event["room"], text_of(event["data"]), epochs[event["room"]], event["offset"])


class Listener(Client):
    """Reads one room as server-sent events."""

    async def talk(self, reader, writer):
        room = self.load.rooms[0]
        place = self.ledger.places(self.name).get(room)
        last = "Last-Event-ID: %s-%d\r\n" % (place.epoch, place.offset) if place else ""
        writer.write(("GET /rooms/%s/events HTTP/1.0\r\nHost: localhost\r\n%s\r\n" % (room, last)).encode())
        await reader.readuntil(b"\r\n\r\n")
        async for name, data in events(reader):
            if name == "joined":
                epoch = data["epoch"]
            if name == "message":
                self.saw(room, text_of(data["data"]), epoch, data["offset"])


async def events(reader):
    """The name and the data of each event of a stream."""
    name, data = "message", ""
    while line := (await reader.readline()).decode():
        field, _, value = line.rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line.strip():
            if data:
                yield name, json.loads(data)
            name, data = "message", ""


class Load:
    """All clients at once, from when the server is there until it is gone."""

    def __init__(self, ledger, rooms, seed, position=lambda: 0):
        self.ledger, self.rooms, self.seed, self.position = ledger, rooms, seed, position
        self.refused = collections.Counter()

    async def run(self, port, line_port):
        clients = [JsonReader("reader", self), JsonReader("observer", self), Listener("listener", self),
                   JsonSender("ann", self), JsonSender("bob", self), JsonSender("cem", self), Poster("dora", self),
                   Poster("emil", self), PlainSender("fay", self), PlainSender("gus", self), Uploader("joe", self)]
        await asyncio.gather(Typist("hal", self).run(line_port), *(client.run(port) for client in clients))
