"""Clients over TLS are told to come back, and do; those beside them without it notice nothing."""

import ssl
import threading

import parlor
from harness import NO_LIMITS, Case
from wire import Events, Http, Json, Lines, WebSocket, request

SHUTDOWN = "server is shutting down"


class Tls(Case):
    def begin(self, *flags):
        flags_of_tls, authority = parlor.authority(self.folder)
        self.context = ssl.create_default_context(cafile=authority)
        self.server = self.serve(*NO_LIMITS, *flags_of_tls, *flags)
        return self.server

    def client(self, kind, *arguments, **options):
        return self.keep(kind(self.server.port, *arguments, context=self.context, **options))

    def test_those_with_it_come_back_and_those_without_notice_nothing(self):
        server = self.begin("--data", self.data)
        typists = [self.keep(Lines(server.line_port)) for _ in range(2)]
        people = [self.client(Json) for _ in range(20)]
        places = [one.ask("join", "joined", room="lobby") for one in people]
        plain, stream, idle = self.client(WebSocket), self.client(Events, "lobby"), self.client(Http)
        self.assertEqual(stream.event()["event"], "joined")
        self.assertEqual(idle.ask("GET", "/healthz")[0], 200)
        half = self.client(Http)
        half.send(request("POST", "/rooms/lobby", b"half")[:-2])
        server.read_all = lambda: idle.ask("GET", "/healthz")
        server.read_all()
        typists[0].say("before")
        for one in people:
            self.assertEqual(one.hear(), "before")
        server.upgrade(wait=False)
        byes = [one.next("bye") for one in people]
        self.assertEqual({(bye["code"], bye["reason"]) for bye in byes}, {(1001, SHUTDOWN)})
        # Each at a time of its own.
        self.assertGreater(len({bye["retry_ms"] for bye in byes}), 15)
        for one in people + [plain]:
            self.assertEqual(one.text() if one is plain else "before", "before")
            self.assertEqual(one.closing(), (1001, SHUTDOWN))
        self.assertEqual(stream.hear(), "before")
        bye = stream.event()
        self.assertEqual(bye["event"], "bye")
        self.assertGreaterEqual(int(bye["retry"]), 0)
        # A clean end, by TLS's own word for it.
        for one in people + [plain, stream, idle]:
            self.assertEqual(one.rest(), b"")
        self.assertEqual(half.answer()[0], 503)
        half.close()
        typists[0].say("while they are away")
        old = server.process
        self.assertEqual(old.wait(60), 0)
        for one, place in zip(people, places):
            back = self.client(Json)
            self.assertEqual(back.ask("login", "welcome", resume=one.welcome["resume"])["you"], one.welcome["you"])
            since = {"epoch": place["epoch"], "offset": place["offset"]}
            joined = back.ask("join", "joined", room="lobby", since=since)
            self.assertEqual((joined["recovered"], [it["data"] for it in joined["messages"]]),
                             (True, ["before", "while they are away"]))
        for typist in typists:
            self.assertEqual([typist.hear(), typist.hear()], ["before", "while they are away"])

    def floods(self, *flags):
        """What was acknowledged over TLS is there, and only that may be missing which was not."""
        # A fast machine says more than what is kept by default.
        server = self.begin("--history-bytes", "33554432", *flags)
        clients = [self.client(Json) for _ in range(4)]
        acknowledged, said = [set() for _ in clients], [set() for _ in clients]
        begun = threading.Barrier(len(clients) + 1)

        def flood(place):
            one, number = clients[place], 0
            try:
                while True:
                    number += 1
                    said[place].add((place, number))
                    one.command("publish", room="tea", data=[place, number], id=number)
                    if number > 16:
                        event = one.next("ok", "bye")
                        if event["type"] == "bye":
                            break
                        acknowledged[place].add((place, event["id"]))
                    if number == 50:
                        begun.wait(60)
                # What comes before the end.
                one.rest()
            except OSError:
                pass
        threads = [threading.Thread(target=flood, args=(place,)) for place in range(len(clients))]
        for thread in threads:
            thread.start()
        begun.wait(60)
        server.upgrade(wait=False)
        for thread in threads:
            thread.join(60)
        kept, before = [], ""
        http = self.client(Http)
        while True:
            page = http.json("GET", "/rooms/tea/messages?limit=300" + before)
            kept = [(it["offset"], tuple(it["data"])) for it in page["messages"]] + kept
            if not page["more"]:
                break
            before = "&before=%d" % kept[0][0]
        self.assertEqual([offset for offset, _ in kept], list(range(1, len(kept) + 1)))
        kept = [data for _, data in kept]
        self.assertEqual(len(kept), len(set(kept)))
        self.assertEqual(set().union(*acknowledged) - set(kept), set())
        self.assertLessEqual(set(kept), set().union(*said))

    def test_messages_at_that_moment_in_memory(self):
        self.floods()

    def test_messages_at_that_moment_on_disk(self):
        self.floods("--data", self.data)

    def test_files_at_that_moment(self):
        # None of these may be what ends the wait.
        server = self.begin("--data", self.data, "--drain-timeout", "0", "--handshake-timeout", "0")
        http = self.client(Http)
        content = b"c" * 9_000_000
        href = http.json("PUT", "/rooms/tea/files/a.bin", content)["data"]["file"]["href"]
        reader = self.client(Http, receive_buffer=4096)
        reader.send(request("GET", href)).until(b"\r\n\r\n")
        sender = self.client(Http)
        sender.send(request("PUT", "/rooms/tea/files/b.bin", content)[:5_000_000])
        server.upgrade(wait=False)
        # Neither can go on, and neither is kept waiting for it.
        self.assertEqual(sender.answer()[0], 503)
        with self.assertRaises(OSError):
            reader.read(len(content))
        sender.close()
        reader.close()
        self.assertEqual(server.process.wait(60), 0)
        again = self.client(Http)
        self.assertEqual(again.ask("GET", href)[2], content)
        self.assertIn(b"parlor_files 1\n", again.ask("GET", "/metrics")[2])
