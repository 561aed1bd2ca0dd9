"""What clients have not taken or sent yet: queues of megabytes, files that are on their way."""

import contextlib
import json
import os
import random

from harness import NO_LIMITS, Case
from wire import Events, Http, Json, WebSocket, chunk, request


class Slow(Case):
    """What a client has not taken yet."""

    def test_readers_with_megabytes_queued(self):
        server = self.serve(*NO_LIMITS, "--max-queue", "32000000", "--pong-timeout", "60")
        small = {"receive_buffer": 4096}
        room = "/ws/tea"
        readers = [self.keep(WebSocket(server.port, room, **small)),
                   self.keep(WebSocket(server.port, room, deflate=True, **small))]
        person = self.keep(Json(server.port, **small))
        person.ask("join", "joined", room="tea")
        stream = self.keep(Events(server.port, "tea", **small))
        self.assertEqual(stream.event()["event"], "joined")
        chance = random.Random(1)
        texts = ["%d %s" % (number, chance.randbytes(chance.choice([5, 9000, 20000])).hex()) for number in range(600)]
        http = self.keep(Http(server.port))
        for text in texts[:400]:
            http.json("POST", "/rooms/tea", text.encode())
        self.assertGreater(server.metrics()["parlor_inflight_bytes"], 2_000_000)
        server.upgrade()
        # It does not go by itself, and more comes behind it.
        for text in texts[400:500]:
            http.json("POST", "/rooms/tea", text.encode())
        server.upgrade()
        for text in texts[500:]:
            http.json("POST", "/rooms/tea", text.encode())
        hears = readers[0].text, readers[1].text, person.hear, stream.hear
        for hear in hears:
            self.assertEqual([hear() for _ in texts], texts)
        http.json("POST", "/rooms/tea", b"last")
        self.assertEqual([hear() for hear in hears], ["last"] * 4)

    def test_a_reader_that_is_too_slow_is_closed_after_it_too(self):
        server = self.serve(*NO_LIMITS, "--max-queue", "3000000")
        slow = self.keep(WebSocket(server.port, "/ws/tea", receive_buffer=4096))
        http = self.keep(Http(server.port))
        post = lambda: http.json("POST", "/rooms/tea", b"x" * 60_000)
        for _ in range(20):
            post()
        server.upgrade()
        while not server.count("too slow"):
            post()
        with contextlib.suppress(ConnectionError):
            while True:
                self.assertEqual(slow.text(), "x" * 60_000)

    def test_readers_that_miss_messages(self):
        server = self.serve(*NO_LIMITS, "--max-queue", "200000", "--overflow", "tea=latest")
        slow = self.keep(Json(server.port, receive_buffer=4096))
        slow.ask("join", "joined", room="tea")
        http = self.keep(Http(server.port))
        number = 0
        # Until the kernel takes no more, and the queue neither.
        while not server.metrics()["parlor_lagging_members"]:
            for number in range(number + 1, number + 50):
                http.json("POST", "/rooms/tea?key=k%d&retain" % (number % 7), b"%d " % number + b"x" * 50_000)
        server.upgrade()
        self.assertEqual(server.metrics()["parlor_lagging_members"], 1)
        for number in range(number + 1, number + 20):
            http.json("POST", "/rooms/tea?key=k%d&retain" % (number % 7), b"%d " % number)
        expected, gaps, values = 1, 0, {}
        while expected <= number:
            event = slow.next("message", "gap")
            self.assertEqual(event.get("offset", event.get("from")), expected)
            messages = [event]
            if event["type"] == "gap":
                joined = slow.next("joined")
                self.assertEqual(joined["offset"], event["to"])
                gaps, messages = gaps + 1, joined["retained"] + joined["messages"]
            expected = event.get("to", expected) + 1
            for message in messages:
                values[message["key"]] = int(message["data"].split(" ")[0])
        self.assertGreater(gaps, 0)
        self.assertEqual(values, {"k%d" % (it % 7): it for it in range(number - 6, number + 1)})

    def test_downloads_that_are_stalled(self):
        server = self.serve(*NO_LIMITS, "--data", self.data)
        content = random.Random(2).randbytes(9_000_001)
        http = self.keep(Http(server.port))
        href = http.json("PUT", "/rooms/tea/files/a.bin", content)["data"]["file"]["href"]
        readers = [self.keep(Http(server.port, receive_buffer=4096)) for _ in range(5)]
        part = self.keep(Http(server.port, receive_buffer=4096))
        for one in readers:
            one.send(request("GET", href) + request("GET", "/healthz"))
        part.send(request("GET", href, fields=["Range: bytes=1000-8000999"]))
        gone = self.keep(Http(server.port, receive_buffer=4096)).send(request("GET", href))
        heads = [one.until(b"\r\n\r\n") for one in readers]
        part.until(b"\r\n\r\n"), gone.until(b"\r\n\r\n")
        for turn in range(2):
            server.upgrade()
            taken = [one.read(1_000_000) for one in readers]
            self.assertEqual(set(taken), {content[turn * 1_000_000:(turn + 1) * 1_000_000]})
        gone.close()
        for one, head in zip(readers, heads):
            self.assertIn(b"\r\ncontent-length: 9000001\r\n", head.lower())
            self.assertEqual(one.read(7_000_001), content[2_000_000:])
            self.assertEqual(one.answer()[0], 200)
        self.assertEqual(part.read(8_000_000), content[1000:8_001_000])

    def test_uploads_that_are_stalled(self):
        server = self.serve(*NO_LIMITS, "--data", self.data)
        content = random.Random(3).randbytes(5_000_000)
        plain, chunked, broken, silent = (self.keep(Http(server.port)) for _ in range(4))
        whole = request("PUT", "/rooms/tea/files/a.bin", content)
        in_chunks = (b"PUT /rooms/tea/files/b.bin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                     + b"".join(chunk(content[at:at + 70_001]) for at in range(0, len(content), 70_001)) + b"0\r\n\r\n")
        cuts = [0, 1_234_567, 3_333_333, 6_000_000]
        for start, end in zip(cuts, cuts[1:]):
            plain.send(whole[start:end])
            chunked.send(in_chunks[start:end])
            if end < 4_000_000:
                for one in (broken, silent):
                    one.send(whole[start:end])
                server.read_all()
                server.upgrade()
        for one in (plain, chunked):
            status, _, answer = one.answer()
            self.assertEqual(status, 201, answer)
            stored = one.ask("GET", json.loads(answer)["data"]["file"]["href"])
            self.assertEqual((stored[0], stored[2] == content), (200, True))
        self.assertEqual(server.metrics()["parlor_files"], 4)
        broken.close()
        while server.metrics()["parlor_files"] != 3:
            pass
        self.assertGreaterEqual(server.metrics()["parlor_file_bytes"], 10_000_000)
        self.end(server)
        again = self.serve("--data", self.data)
        self.assertEqual(again.metrics()["parlor_files"], 2)
        found = [os.path.join(path, name) for path, _, names in os.walk(os.path.join(self.data, "files"))
                 for name in names]
        self.assertEqual(sorted(os.path.getsize(path) for path in found), [5_000_000] * 2)
