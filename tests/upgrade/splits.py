"""Whatever clients send, an upgrade may come between any two of its bytes."""

import json
import os
import random
import socket
import struct

from harness import NO_LIMITS, Case
from wire import Events, Http, Lines, Socket, WebSocket, chunk, frame, handshake, request, squeezed

TEXT = "hé 茶 😀"
# Of the bytes between which there is an upgrade, each this many is chosen; EVERY_SPLIT=1 takes them all.
EVERY = int(os.environ.get("EVERY_SPLIT", "2"))


class Unopened(WebSocket):
    """A WebSocket whose handshake is still to be sent."""

    def __init__(self, port):
        Socket.__init__(self, port)


class UnopenedEvents(Events):
    """The same of a stream of events."""

    def __init__(self, port):
        Socket.__init__(self, port)


class Talk:
    """Bytes of a client, in a room of its own, and what must come back."""

    def __init__(self, kind, data, check):
        self.kind, self.data, self.check = kind, data, check


def plain(room):
    def check(case, one):
        case.assertEqual(one.opened().text(), TEXT)
    return Talk(Unopened, handshake("/ws/" + room) + frame(TEXT), check)


def keyed(room):
    def check(case, one):
        case.assertEqual(one.opened().text(), "21.5")
        room_now = case.http.json("GET", "/rooms/%s/messages" % room)
        case.assertEqual([(it["key"], it["data"]) for it in room_now["messages"]], [("boiler.temp", "21.5")])
    return Talk(Unopened, handshake("/ws/%s?key=boiler.temp&retain" % room) + frame("21.5"), check)


def fragments(room):
    payload = TEXT.encode()
    data = (handshake("/ws/" + room) + frame(payload[:2], last=False) + frame(b"ping", opcode=9)
            + frame(payload[2:5], opcode=0, last=False) + frame(payload[5:], opcode=0) + frame(b"\0\xff", opcode=2))

    def check(case, one):
        one.opened()
        heard = sorted(one.receive() for _ in range(3))
        case.assertEqual(heard, sorted([(10, b"ping"), (1, payload), (2, b"\0\xff")]))
    return Talk(Unopened, data, check)


def compressed(room):
    data = handshake("/ws/" + room, deflate=True) + squeezed(TEXT * 30) + squeezed("next")

    def check(case, one):
        one.opened()
        case.assertEqual([one.text(), one.text()], [TEXT * 30, "next"])
    return Talk(Unopened, data, check)


def closing(room):
    data = handshake("/ws/" + room) + frame(TEXT) + frame(struct.pack(">H", 4001) + "tschüß".encode(), opcode=8)

    def check(case, one):
        one.opened()
        case.assertEqual(one.text(), TEXT)
        opcode, payload = one.receive()
        case.assertEqual((opcode, payload[:2]), (8, struct.pack(">H", 4001)))
        case.assertEqual(one.rest(), b"")
    return Talk(Unopened, data, check)


def json_door(room):
    commands = [{"type": "login", "name": "p-" + room}, {"type": "join", "room": room},
                {"type": "publish", "room": room, "data": TEXT, "id": 7}]
    data = handshake("/ws", "parlor.v1.json") + b"".join(frame(json.dumps(it)) for it in commands)

    def check(case, one):
        one.opened()
        kinds = {}
        while not {"ok", "message", "joined"} <= set(kinds):
            event = json.loads(one.text())
            kinds.setdefault(event["type"], []).append(event)
        case.assertEqual([it["you"]["name"] for it in kinds["welcome"]][-1], "p-" + room)
        case.assertEqual([(it["id"], it["offset"]) for it in kinds["ok"]], [(7, 1)])
        case.assertEqual([(it["data"], it["from"]["name"]) for it in kinds["message"]], [(TEXT, "p-" + room)])
    return Talk(Unopened, data, check)


def posts(room):
    data = (request("POST", "/rooms/" + room, TEXT.encode()) + request("POST", "/rooms/" + room, b"two")
            + request("GET", "/rooms/%s/messages" % room))

    def check(case, one):
        offsets = [json.loads(one.answer()[2])["offset"] for _ in range(2)]
        history = json.loads(one.answer()[2])
        case.assertEqual(offsets, [1, 2])
        case.assertEqual([it["data"] for it in history["messages"]], [TEXT, "two"])
    return Talk(Http, data, check)


def chunks(room):
    head = "POST /rooms/%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % room
    payload = TEXT.encode()
    data = (head.encode() + chunk(payload[:2]) + b"3;of=\"a kind\"\r\n" + payload[2:5] + b"\r\n" + chunk(payload[5:])
            + b"0\r\nTrailer: x\r\n\r\n" + request("GET", "/healthz"))

    def check(case, one):
        case.assertEqual(one.answer()[0], 200)
        case.assertEqual(one.answer()[0], 200)
        history = case.http.json("GET", "/rooms/%s/messages" % room)
        case.assertEqual([it["data"] for it in history["messages"]], [TEXT])
    return Talk(Http, data, check)


def upload(room):
    body = "a file: ".encode() + TEXT.encode()
    data = request("PUT", "/rooms/%s/files/a.txt" % room, body, ["Expect: 100-continue"]) + request("GET", "/healthz")

    def check(case, one):
        status, _, answer = one.answer()
        if status == 100:
            status, _, answer = one.answer()
        case.assertEqual(status, 201, answer)
        case.assertEqual(one.answer()[0], 200)
        stored = case.http.ask("GET", json.loads(answer)["data"]["file"]["href"])
        case.assertEqual((stored[0], stored[2]), (200, body))
    return Talk(Http, data, check)


def stream(room):
    def check(case, one):
        case.assertEqual(one.opened().event()["event"], "joined")
        place = case.http.json("POST", "/rooms/" + room, TEXT.encode())
        case.assertEqual((one.hear(), one.last), (TEXT, "%s-1" % place["epoch"]))
    return Talk(UnopenedEvents, request("GET", "/rooms/%s/events?last=3" % room), check)


def lines(room):
    def check(case, one):
        while "in " + room not in one.line():
            pass
        case.assertEqual(one.hear(), TEXT)
        case.assertEqual(case.http.json("POST", "/rooms/" + room, b"answer")["offset"], 2)
        case.assertEqual(one.hear(), "answer")
        history = case.http.json("GET", "/rooms/%s/messages" % room)
        case.assertEqual([it["data"] for it in history["messages"]], [TEXT, "answer"])
    return Talk(Lines, ("/join %s\r\n%s\r\n" % (room, TEXT)).encode(), check)


def proxied(room):
    head = b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11" + struct.pack(">H", 12 + 7)
    head += socket.inet_aton("203.0.113.7") + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 40000, 80)
    # A part of a kind that nobody knows.
    head += b"\xe7" + struct.pack(">H", 4) + b"what"

    def check(case, one):
        case.assertEqual([one.answer()[0], one.answer()[0]], [200, 403])
    return Talk(Http, head + request("POST", "/rooms/" + room, b"x") + request("GET", "/rooms"), check)


TALKS = [plain, keyed, fragments, compressed, closing, json_door, posts, chunks, upload, stream, lines, proxied]


class Splits(Case):
    def test_every_split_of_what_a_client_sends(self):
        server = self.serve(*NO_LIMITS, "--data", self.data, "--trusted-proxy", "127.0.0.1", "--handshake-timeout", "0",
                            "--max-rooms", "100000")
        self.http = self.keep(Http(server.port))
        chance, under_way = random.Random(server.port), []
        for make in TALKS:
            for at in range(1, len(make("r00000").data), EVERY):
                talk = make("r%05d" % len(under_way))
                at = min(at + chance.randrange(EVERY), len(talk.data) - 1)
                one = self.keep(talk.kind(server.line_port if talk.kind is Lines else server.port))
                one.send(talk.data[:at])
                under_way.append((talk, one, at, at + 1 + chance.randrange(12)))
        server.read_all()
        server.upgrade()
        for talk, one, at, then in under_way:
            one.send(talk.data[at:then])
        server.read_all()
        server.upgrade()
        wrong = []
        for talk, one, at, then in under_way:
            one.send(talk.data[then:])
            try:
                talk.check(self, one)
            except (AssertionError, OSError, ValueError, KeyError) as error:
                wrong.append("%r at %d and %d: %r" % (talk.data, at, then, error))
        self.assertEqual(wrong[:20], [], "%d of %d" % (len(wrong), len(under_way)))
