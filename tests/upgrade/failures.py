"""Next processes that do not take over: then the old one goes on as if nothing had been."""

import json
import os
import signal

from gate import program
from harness import NO_LIMITS, Audience, Case, parlor, replace
from wire import Http, WebSocket, frame, request

NO_UPGRADE = "no upgrade"


class Failures(Case):
    def begin(self, *flags):
        """A server whose binary can be another one, with clients in all kinds of states, and time for them."""
        self.link = os.path.join(self.folder, "parlor")
        os.symlink(parlor.BINARY, self.link)
        self.server = self.serve(*NO_LIMITS, "--data", self.data, "--max-queue", "30000000",
                                 "--ping-interval", "0", "--handshake-timeout", "0", *flags, binary=self.link)
        self.audience = Audience(self.server, "tea")
        self.half = self.keep(WebSocket(self.server.port, "/ws/half"))
        self.half.send(frame("half of it")[:9])
        self.upload = self.keep(Http(self.server.port))
        self.upload.send(request("PUT", "/rooms/mate/files/a.bin", b"u" * 500_000)[:300_000])
        self.slow = self.keep(WebSocket(self.server.port, "/ws/slow", receive_buffer=4096))
        for number in range(120):
            self.audience.http.json("POST", "/rooms/slow", b"%3d" % number + b"s" * 50_000)
        self.server.read_all()
        return self.server

    def next_is(self, text):
        """What is started from now on."""
        replace(self.link, text if os.path.exists(text) else self.write("next", text, 0o700))

    def gate(self, stage, action):
        self.next_is(program(parlor.BINARY, stage, action, self.folder))

    def fails(self, *saying):
        """The upgrade does not come about, and clients notice nothing but that."""
        failed = self.server.count(NO_UPGRADE)
        self.server.signal(signal.SIGUSR2)
        self.audience.plain.say("said meanwhile")
        self.audience.offset += 1
        self.server.wait_for_count(NO_UPGRADE, failed + 1)
        why = [line for line in self.server.log().splitlines() if NO_UPGRADE in line][-1]
        for part in saying:
            self.assertIn(part, why)
        self.audience.hear("said meanwhile")
        self.audience.check()

    def ends_well(self):
        """All that was half done goes on, then with the next process."""
        self.assertEqual(self.server.count("took over"), 0)
        replace(self.link, parlor.BINARY)
        self.server.upgrade()
        self.audience.check()
        self.half.send(frame("half of it")[9:])
        self.assertEqual(self.half.text(), "half of it")
        self.upload.send(request("PUT", "/rooms/mate/files/a.bin", b"u" * 500_000)[300_000:])
        status, _, answer = self.upload.answer()
        self.assertEqual(status, 201)
        stored = self.upload.ask("GET", json.loads(answer)["data"]["file"]["href"])
        self.assertEqual(stored[2], b"u" * 500_000)
        for number in range(120):
            self.assertEqual(self.slow.text()[:4], "%3ds" % number)
        self.audience.check()

    def test_no_program(self):
        self.begin()
        os.unlink(self.link)
        for _ in range(2):
            self.fails("cannot start " + self.link)
        self.write("parlor", "not even executable")
        self.fails("cannot start")
        self.write("parlor", "no program", 0o700)
        self.fails("cannot start")
        self.ends_well()

    def test_other_programs(self):
        self.begin()
        for other in ("/bin/true", "/bin/false", "/bin/cat", "/bin/ls", "#!/bin/sh\nkill -SEGV $$\n",
                      # Which says back what it is told, reads all, says too much, or says what is no hello.
                      "#!/bin/sh\nexec head -c 100000 /dev/zero >&0\n",
                      "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\n' >&0\n",
                      "#!/bin/sh\nprintf '\\0\\0\\0\\0\\0\\0\\0\\003abc' >&0; exec sleep 60\n"):
            self.next_is(other)
            self.fails()
        self.ends_well()

    def test_a_program_that_says_nothing(self):
        self.begin()
        self.next_is("#!/bin/sh\nexec sleep 100\n")
        self.server.signal(signal.SIGUSR2)
        self.server.wait_for_count("upgrade: process", 1)
        # It goes on meanwhile, and begins no other one.
        self.server.signal(signal.SIGUSR2)
        self.server.wait_for_log("no other upgrade")
        for _ in range(5):
            self.audience.check()
        self.server.wait_for_count("did not start in time", 1)
        self.audience.check()
        self.assertRaises(ProcessLookupError, os.kill, self.server.started()[0], 0)
        self.ends_well()

    def test_a_broken_configuration(self):
        config = self.write("config", "max-message = 70000\n")
        self.begin("--config", config)
        for text in ("max-message = lots\n", "what is this\n", "secret-file = \"/nowhere\"\n"):
            self.write("config", text)
            self.fails("see what it has said")
        os.unlink(config)
        self.fails("see what it has said")
        self.write("config", "max-message = 80000\n")
        self.ends_well()

    def test_another_version(self):
        self.begin()
        self.gate("hello", "newer")
        self.fails("reads state of version")
        self.ends_well()

    def test_deaths_at_each_stage(self):
        self.begin()
        for stage in ("hello", "baggage", "state", "descriptors", "ready"):
            self.gate(stage, "die")
            self.fails()
        self.gate("ready", "stop the server")
        self.fails("see what it has said")
        self.ends_well()

    def test_messages_that_are_cut(self):
        self.begin()
        for stage in ("hello", "baggage", "state"):
            self.gate(stage, "cut")
            self.fails()
        self.ends_well()

    def hang(self, stage, why):
        self.begin()
        self.gate(stage, "hang")
        self.fails(why)
        self.ends_well()

    def test_a_hang_at_the_hello(self):
        self.hang("hello", "did not start in time")

    def test_a_hang_when_it_is_told(self):
        # The state is larger than what the kernel takes.
        self.hang("baggage", "did not take over in time")

    def test_a_hang_before_it_has_the_sockets(self):
        self.hang("descriptors", "did not take over in time")

    def test_a_hang_before_it_is_ready(self):
        self.hang("ready", "did not take over in time")

    def test_too_few_descriptors(self):
        self.begin()
        self.next_is("#!/bin/sh\nulimit -n 20\nexec %s \"$@\"\n" % parlor.BINARY)
        self.fails()
        self.ends_well()

    def test_two_signals(self):
        self.begin()
        for _ in range(3):
            self.server.signal(signal.SIGUSR2)
        self.server.upgrade()
        self.audience.check()
        self.server.upgrade()
        self.audience.check()

    def test_an_end_in_the_middle(self):
        self.begin()
        self.next_is("#!/bin/sh\nexec sleep 100\n")
        self.server.signal(signal.SIGUSR2)
        self.server.wait_for_count("upgrade: process", 1)
        self.audience.say("last words")
        self.audience.hear("last words")
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.audience.plain.closing(), (1001, "server is shutting down"))
        one = self.audience
        for each in (one.squeezed, one.json, one.events, one.lines, one.http, self.half, self.slow, self.upload):
            each.close()
        self.server.wait_for_end()
        self.assertRaises(ProcessLookupError, os.kill, self.server.started()[0], 0)
        again = self.serve("--data", self.data)
        told = self.keep(Http(again.port)).json("GET", "/rooms/tea/messages")
        self.assertEqual([it["data"] for it in told["messages"]], ["last words"])

    def test_an_end_while_it_is_handed_over(self):
        """Whoever is asked to end and hands over instead has the next process end."""
        self.begin()
        os.mkfifo(os.path.join(self.folder, "release"))
        self.gate("ready", "wait")
        self.server.signal(signal.SIGUSR2)
        self.server.wait_for_count("gate: at ready", 1)
        self.server.signal(signal.SIGTERM)
        with open(os.path.join(self.folder, "release"), "wb"):
            pass
        self.assertEqual(self.audience.plain.closing(), (1001, "server is shutting down"))
