"""Connections at every door, and the moments at which an upgrade finds them."""

import json
import os
import signal
import socket
import struct

from gate import program
from harness import NO_LIMITS, Audience, Case, parlor, replace
from wire import Http, Lines, Socket, WebSocket, frame, handshake, request, squeezed


class Doors(Case):
    def test_somebody_at_every_door_notices_nothing(self):
        server = self.serve(*NO_LIMITS)
        audience = Audience(server, "tea")
        spray = self.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        spray.connect(("127.0.0.1", server.udp_port))
        for turn in range(3):
            audience.check()
            # Everyone speaks, and everyone hears it.
            audience.plain.say("plain %d" % turn)
            audience.hear("plain %d" % turn)
            audience.squeezed.send(squeezed("squeezed %d" % turn))
            audience.hear("squeezed %d" % turn)
            audience.lines.say("line %d" % turn)
            audience.hear("line %d" % turn)
            spray.send(b"tea datagram %d" % turn)
            audience.hear("datagram %d" % turn)
            audience.offset += 4
            server.upgrade()
        audience.check()

    def test_a_request_head_that_has_not_come_in_time(self):
        server = self.serve("--handshake-timeout", "1.5")
        one, body = self.keep(Http(server.port)), self.keep(Http(server.port))
        one.send(b"GET /healthz HTT")
        body.send(request("POST", "/rooms/tea", b"x" * 5000)[:200])
        server.read_all()
        server.upgrade()
        self.assertEqual(one.answer()[0], 408)
        self.assertEqual(body.answer()[0], 408)

    def test_pings_go_on(self):
        server = self.serve("--ping-interval", "0.5", "--pong-timeout", "1")
        answers, silent = (self.keep(WebSocket(server.port, "/ws/tea")) for _ in range(2))
        server.upgrade()
        for one in (answers, silent):
            self.assertEqual(one.read(1), b"\x89")
            one.read(one.read(1)[0])
        answers.send(frame(b"", opcode=10))
        self.assertEqual(answers.read(1), b"\x89")
        self.assertRegex(silent.rest(), rb"no answer to ping$")

    def test_close_handshakes(self):
        server = self.serve("--close-timeout", "1.5", "--max-message", "100")
        answers, silent, half = (self.keep(WebSocket(server.port, "/ws/tea")) for _ in range(3))
        for one in (answers, silent, half):
            one.say("x" * 101)
            opcode, payload = one.receive()
            self.assertEqual((opcode, payload[:2]), (8, struct.pack(">H", 1009)))
        close = frame(struct.pack(">H", 1009), opcode=8)
        half.send(close[:5])
        server.read_all()
        server.upgrade()
        answers.send(close)
        half.send(close[5:])
        for one in (answers, half, silent):
            self.assertEqual(one.rest(), b"")

    def test_connections_that_wait_to_be_accepted(self):
        binary = self.write("next", program(parlor.BINARY, "ready", "wait", self.folder), 0o700)
        link = os.path.join(self.folder, "parlor")
        os.symlink(parlor.BINARY, link)
        os.mkfifo(os.path.join(self.folder, "release"))
        server = self.serve(*NO_LIMITS, binary=link)
        audience = Audience(server, "tea")
        replace(link, binary)
        server.signal(signal.SIGUSR2)
        server.wait_for_count("gate: at ready", 1)
        # Nobody is served now, and nobody is told so.
        come = [self.keep(Http(server.port)).send(request("POST", "/rooms/tea", b"%d" % number))
                for number in range(20)]
        typist = self.keep(Lines(server.line_port)).send(b"/join mate\r\nfrom the backlog\r\n")
        gone = Socket(server.port).send(handshake("/ws/tea"))
        gone.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spray:
            spray.sendto(b"cups three", ("127.0.0.1", server.udp_port))
        audience.plain.say("said meanwhile")
        replace(link, parlor.BINARY)
        with open(os.path.join(self.folder, "release"), "wb"):
            pass
        server.wait_for_next(1)
        server.wait_for_end()
        server.pid = server.started()[-1]
        answers = sorted(json.loads(one.answer()[2])["offset"] for one in come)
        heard = [audience.plain.text() for _ in range(21)]
        self.assertEqual(sorted(heard), sorted([str(number) for number in range(20)] + ["said meanwhile"]))
        self.assertEqual(sorted(answers + [heard.index("said meanwhile") + 1]), list(range(1, 22)))
        while "in mate" not in typist.line():
            pass
        for room, text in (("mate", "from the backlog"), ("cups", "three")):
            messages = audience.http.json("GET", "/rooms/%s/messages" % room)["messages"]
            self.assertEqual([it["data"] for it in messages], [text])
