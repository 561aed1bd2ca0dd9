"""Twenty upgrades in a row under load: nobody is closed, misses a message or gets one twice, and all get one order."""

import asyncio
import collections
import json
import os
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "durability"))
from clients import Http, WebSocket, connection, events  # noqa: E402
from harness import NO_LIMITS, Case  # noqa: E402

UPGRADES = 20
ROOMS = ["tea", "mate", "cocoa"]
LAST = "the last one"
SECONDS = 100


class Load:
    """All clients, until they are told to stop."""

    def __init__(self, server):
        self.server, self.is_over = server, False
        # What was said, who was told so by an offset, and what each reader heard in each room.
        self.said = collections.defaultdict(list)
        self.acknowledged = collections.defaultdict(dict)
        self.heard = {}
        self.longest = collections.Counter()
        self.count = 0

    def texts(self, name):
        number = 0
        while not self.is_over:
            number += 1
            room = ROOMS[number % len(ROOMS)]
            text = "%s %d %s" % (name, number, "x" * (number * 97 % 700))
            self.said[room].append(text)
            self.count += 1
            yield number, room, text

    async def person(self, name):
        async with connection(self.server.port) as streams:
            socket = await WebSocket(*streams).open("/ws", "parlor.v1.json")
            await socket.receive()
            on_the_way = {}
            for number, room, text in self.texts(name):
                socket.send(json.dumps({"type": "publish", "room": room, "data": text, "id": number}))
                on_the_way[number] = room, text
                await socket.drain()
                while len(on_the_way) > 8:
                    await self._take(socket, on_the_way)
            while on_the_way:
                await self._take(socket, on_the_way)

    async def _take(self, socket, on_the_way):
        event = json.loads(await socket.receive())
        if event["type"] == "ok":
            room, text = on_the_way.pop(event["id"])
            self.acknowledged[room][text] = event["offset"]
        else:
            assert event["type"] == "ping", event

    async def poster(self, name):
        async with connection(self.server.port) as streams:
            http = Http(*streams)
            for _, room, text in self.texts(name):
                status, answer = await http.request("POST", "/rooms/" + room, text.encode())
                assert status == 200, answer
                self.acknowledged[room][text] = answer["offset"]

    async def typist(self, name, begun, may_begin, may_end):
        async with connection(self.server.line_port) as (reader, writer):
            writer.write(b"/join tea\n")
            while b"in tea" not in await reader.readline():
                pass
            begun.release()
            drained = asyncio.create_task(self._read(reader))
            await may_begin.wait()
            for number, room, text in self.texts(name):
                if room != "tea":
                    self.said[room].pop()
                    continue
                writer.write(text.encode() + b"\n")
                await writer.drain()
                await asyncio.sleep(0.002)
            # Behind its own lines, which nobody acknowledges.
            await may_end.wait()
            writer.write(LAST.encode() + b"\n")
            await drained

    async def _read(self, reader):
        heard = self.heard["typist", "tea"] = []
        silence = Silence(self, "lines")
        while line := (await reader.readline()).decode().rstrip("\n"):
            if line.startswith("* "):
                continue
            silence.ends()
            text = line.split(": ", 1)[1]
            if text == LAST:
                return
            heard.append(text)
        raise ConnectionError("closed")

    async def plain_reader(self, room, begun):
        async with connection(self.server.port) as streams:
            socket = await WebSocket(*streams).open("/ws/" + room)
            begun.release()
            heard, silence = [], Silence(self, "plain")
            while (text := await socket.receive()) != LAST:
                silence.ends()
                heard.append(text)
            self.heard["plain", room] = heard

    async def json_reader(self, begun):
        async with connection(self.server.port) as streams:
            socket = await WebSocket(*streams).open("/ws", "parlor.v1.json")
            heard, silence, left = {room: [] for room in ROOMS}, Silence(self, "json"), set(ROOMS)
            for room in ROOMS:
                socket.send(json.dumps({"type": "join", "room": room}))
            while left:
                event = json.loads(await socket.receive())
                silence.ends()
                if event["type"] == "message":
                    if event["data"] == LAST:
                        left.remove(event["room"])
                    else:
                        heard[event["room"]].append((event["offset"], event["data"]))
                elif event["type"] == "joined":
                    begun.release()
                else:
                    assert event["type"] in ("welcome", "presence", "ping"), event
            for room, messages in heard.items():
                assert [offset for offset, _ in messages] == list(range(1, len(messages) + 1)), room
                self.heard["json", room] = [text for _, text in messages]

    async def listener(self, room, begun):
        async with connection(self.server.port) as (reader, writer):
            writer.write(b"GET /rooms/%s/events HTTP/1.0\r\nHost: localhost\r\n\r\n" % room.encode())
            await reader.readuntil(b"\r\n\r\n")
            heard, silence = [], Silence(self, "events")
            async for name, data in events(reader):
                if name == "joined":
                    begun.release()
                    continue
                silence.ends()
                assert name == "message", (name, data)
                if data["data"] == LAST:
                    break
                heard.append(data["data"])
            else:
                raise ConnectionError("closed")
            self.heard["events", room] = heard

    async def run(self):
        begun, may_begin, may_end = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
        readers = [self.json_reader(begun), self.typist("hal", begun, may_begin, may_end)]
        readers += [reader(room, begun) for room in ROOMS for reader in (self.plain_reader, self.listener)]
        tasks = [asyncio.create_task(it) for it in readers]
        # What a reader hears is compared from the first message on.
        for _ in range(3 * len(ROOMS) + 1):
            await begun.acquire()
        may_begin.set()
        senders = [self.person("ann"), self.person("bob"), self.person("cem"), self.poster("dora"), self.poster("emil")]
        senders = [asyncio.create_task(it) for it in senders]
        tasks += senders
        for _ in range(UPGRADES):
            before = self.count
            upgrade = asyncio.create_task(asyncio.to_thread(self.server.upgrade))
            # Whoever ends before is closed.
            done, _ = await asyncio.wait([upgrade, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            assert done == {upgrade}, "a client has ended"
            while self.count < before + 100:
                await asyncio.sleep(0.001)
        self.is_over = True
        await asyncio.gather(*senders)
        may_end.set()
        async with connection(self.server.port) as streams:
            for room in ROOMS[1:]:
                assert (await Http(*streams).request("POST", "/rooms/" + room, LAST.encode()))[0] == 200
        await asyncio.gather(*tasks)


class Silence:
    """How long a reader has heard nothing."""

    def __init__(self, load, kind):
        self._load, self._kind, self._since = load, kind, None

    def ends(self):
        now = time.monotonic()
        if self._since and not self._load.is_over:
            self._load.longest[self._kind] = max(self._load.longest[self._kind], now - self._since)
        self._since = now


class UnderLoad(Case):
    def check(self, *flags):
        server = self.serve(*NO_LIMITS, *flags)
        load = Load(server)
        asyncio.run(asyncio.wait_for(load.run(), SECONDS))
        longest = ", ".join("%s %.0f ms" % (kind, 1000 * it) for kind, it in sorted(load.longest.items()))
        print("%d upgrades with %d messages: longest silence of a reader: %s" % (UPGRADES, load.count, longest))
        for room in ROOMS:
            heard = {kind: texts for (kind, where), texts in load.heard.items() if where == room}
            self.assertEqual(len(heard), 4 if room == "tea" else 3)
            texts = heard["json"]
            self.assertEqual(len(texts), len(set(texts)))
            self.assertEqual(set(texts), set(load.said[room]))
            for kind, others in heard.items():
                self.assertTrue(others == texts, "%s in %s" % (kind, room))
            offsets = {text: offset for offset, text in enumerate(texts, 1)}
            self.assertEqual({text: offsets[text] for text in load.acknowledged[room]}, load.acknowledged[room])
        return server, load

    def test_on_disk(self):
        server, load = self.check("--data", self.data)
        self.end(server)
        again = self.serve(*NO_LIMITS, "--data", self.data)
        for room in ROOMS:
            kept = asyncio.run(pages(again.port, room))
            self.assertEqual(kept, load.heard["json", room] + [LAST])

    def test_in_memory(self):
        self.check()


async def pages(port, room):
    """The texts that are kept."""
    texts, before = [], ""
    async with connection(port) as streams:
        http = Http(*streams)
        while True:
            _, page = await http.request("GET", "/rooms/%s/messages?limit=300%s" % (room, before))
            texts = [it["data"] for it in page["messages"]] + texts
            if not page["more"]:
                return texts
            before = "&before=%d" % page["messages"][0]["offset"]
