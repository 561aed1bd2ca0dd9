"""Asks a server that has started again for everything that clients were told before, and goes on with it."""

import asyncio
import json
import urllib.parse

from clients import Http, WebSocket, connection, events
from ledger import Findings, Known, Room, Seen, Sent, content_of, label, text_of

PAGE = 300
SECONDS = 60


async def examine(port, ledger, chance):
    """What is wrong. What it sends and sees is in the ledger, too."""
    return await asyncio.wait_for(_examine(port, ledger, chance), SECONDS)


async def _examine(port, ledger, chance):
    rooms = {name: await read_room(port, name) for name in ledger.rooms()}
    findings = Findings()
    ledger.compare(rooms, findings)
    for reader in ("reader", "observer"):
        await rejoin(port, ledger, reader, rooms, chance, findings)
    await fetch_files(port, ledger, findings)
    await listen_again(port, ledger, "listener", rooms, findings)
    for sender in ("ann", "bob", "cem"):
        await publish_again(port, ledger, sender, rooms, findings)
    for sender in ("dora", "emil"):
        await post_again(port, ledger, sender, rooms, findings)
    await post_anew(port, ledger, findings)
    ledger.compare({name: await read_room(port, name) for name in ledger.rooms()}, findings)
    return findings


async def read_room(port, name):
    """All of it, by pages, and what it retains."""
    texts, before, epoch = [], "", None
    async with connection(port) as streams:
        http = Http(*streams)
        while True:
            status, page = await http.request("GET", "/rooms/%s/messages?limit=%d%s" % (name, PAGE, before))
            if status != 200:
                raise AssertionError((name, status, page))
            epoch = page["epoch"]
            texts = [(message["offset"], text_of(message.get("data"))) for message in page["messages"]] + texts
            if not page["more"] or not page["messages"]:
                break
            before = "&before=%d" % texts[0][0]
    joined = await ask(port, {"type": "join", "room": name})
    return Room(epoch, dict(texts), {message["key"]: text_of(message["data"]) for message in joined["retained"]})


class Person:
    """Somebody at the JSON door, who has come back if they are known."""

    def __init__(self, port, known=None):
        self._connection, self._known = connection(port), known

    async def __aenter__(self):
        self._socket = await WebSocket(*await self._connection.__aenter__()).open("/ws", "parlor.v1.json")
        self.welcome = json.loads(await self._socket.receive())
        if self._known:
            self.welcome = await self.ask({"type": "login", "resume": self._known.secret}, "welcome")
        return self

    async def __aexit__(self, *error):
        await self._connection.__aexit__(*error)

    async def ask(self, command, kind):
        self.send(command)
        while True:
            event = await self.hear()
            if event["type"] in (kind, "error"):
                return event

    def send(self, command):
        self._socket.send(json.dumps(command))

    async def drain(self):
        await self._socket.drain()

    async def hear(self):
        return json.loads(await self._socket.receive())


async def ask(port, command):
    """The answer to a `join` of somebody new."""
    async with Person(port) as somebody:
        return await somebody.ask(command, "joined")


async def rejoin(port, ledger, reader, rooms, chance, findings):
    """Joins from the last place, and from one before: exactly what comes after it has to come."""
    for name, place in ledger.places(reader).items():
        for offset in {place.offset, max(1, place.offset - chance.randrange(PAGE // 2))}:
            since = {"epoch": place.epoch, "offset": offset}
            joined = await ask(port, {"type": "join", "room": name, "since": since})
            missed = [(at, text) for at, text in rooms[name].texts.items() if at > offset]
            told = [(message["offset"], text_of(message["data"])) for message in joined.get("messages", [])]
            if not joined.get("recovered") or told != missed:
                findings.add("readers not recovered", reader, name, place, offset, joined, told[:3], missed[:3])


async def listen_again(port, ledger, reader, rooms, findings):
    for name, place in ledger.places(reader).items():
        missed = [(at, text) for at, text in rooms[name].texts.items() if at > place.offset]
        told = []
        async with connection(port) as (stream, writer):
            writer.write(("GET /rooms/%s/events HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: %s-%d\r\n\r\n"
                          % (name, place.epoch, place.offset)).encode())
            await stream.readuntil(b"\r\n\r\n")
            async for kind, data in events(stream):
                if kind == "joined":
                    is_recovered = data["recovered"]
                if kind == "message" and data["offset"] > place.offset:
                    told.append((data["offset"], text_of(data["data"])))
                if not is_recovered or len(told) == len(missed):
                    break
        if not is_recovered or told != missed:
            findings.add("readers not recovered", reader, name, place, told[:3], missed[:3])


async def fetch_files(port, ledger, findings):
    async with connection(port) as streams:
        for file in ledger.files():
            status, content = await Http(*streams).request("GET", file.href)
            if status != 200 or content != content_of(file.text):
                findings.add("files lost", file, status, len(content))


async def publish_again(port, ledger, sender, rooms, findings):
    """Comes back as the same person, and sends what was not answered: no message is there twice after that."""
    known = ledger.person(sender)
    async with Person(port, known) as somebody:
        welcome = somebody.welcome
        if known and (welcome["type"] != "welcome" or welcome["you"]["id"] != known.id):
            findings.add("people not known again", sender, known, welcome)
        if welcome["type"] == "welcome":
            ledger.add(Known(0, sender, welcome["you"]["id"], welcome["resume"]))
        for sent in ledger.unanswered(sender):
            fields = {"key": sent.key, "retain": True} if sent.key else {}
            answer = await somebody.ask({"type": "publish", "room": sent.room, "data": sent.text, "dedup": sent.dedup,
                                         "id": 1, **fields}, "ok")
            saw_again(ledger, rooms, sent, answer.get("offset"), findings)


async def post_again(port, ledger, sender, rooms, findings):
    async with connection(port) as streams:
        for sent in ledger.unanswered(sender):
            query = urllib.parse.urlencode({"name": sender, "dedup": sent.dedup})
            _, answer = await Http(*streams).request("POST", "/rooms/%s?%s" % (sent.room, query), sent.text.encode())
            saw_again(ledger, rooms, sent, answer.get("offset"), findings)


def saw_again(ledger, rooms, sent, offset, findings):
    before = next((at for at, text in rooms[sent.room].texts.items() if text == sent.text), None)
    if offset is None or before is not None and offset != before:
        findings.add("wrong answers to what was sent again", sent.text, offset, before)
    if offset is not None:
        ledger.add(Seen(0, sent.sender, sent.room, sent.text, None, offset))


async def post_anew(port, ledger, findings):
    """A message to each room: its offset must be nobody's."""
    async with connection(port) as streams:
        for room in ledger.rooms():
            number = ledger.last_number("ivy") + 1
            ledger.add(Sent(0, "ivy", number, room, label("ivy", number), None, None))
            status, answer = await Http(*streams).request("POST", "/rooms/" + room, label("ivy", number).encode())
            if status == 200:
                ledger.add(Seen(0, "ivy", room, label("ivy", number), answer["epoch"], answer["offset"]))
            else:
                findings.add("refused after a restart", room, status, answer)
