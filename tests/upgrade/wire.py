"""Clients at every door that send exactly the bytes that a test wants, and read exactly the next ones that come."""

import json
import re
import socket
import struct
import zlib

SECONDS = 40
JSON_DOOR = "parlor.v1.json"
MASK = b"\x11\x22\x33\x44"


class Socket:
    """A connection, and what has come on it that nobody has asked for yet."""

    def __init__(self, port, receive_buffer=None, context=None):
        self.raw = socket.socket()
        if receive_buffer:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.raw.settimeout(SECONDS)
        self.raw.connect(("127.0.0.1", port))
        # So that each half is a segment, and the last answer is not delayed.
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.raw = context.wrap_socket(self.raw, server_hostname="localhost", suppress_ragged_eofs=False)
        self._unread = bytearray()

    def close(self):
        self.raw.close()

    def send(self, data):
        self.raw.sendall(data)
        return self

    def read(self, count):
        while len(self._unread) < count:
            self._more()
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def until(self, end):
        """What comes before `end`, with it."""
        while end not in self._unread:
            self._more()
        return self.read(self._unread.index(end) + len(end))

    def rest(self):
        """All that comes before the end, which is a clean one."""
        while piece := self.raw.recv(1 << 16):
            self._unread += piece
        return self.read(len(self._unread))

    def _more(self):
        piece = self.raw.recv(1 << 16)
        if not piece:
            raise ConnectionError("closed after %r" % bytes(self._unread[-300:]))
        self._unread += piece


def frame(payload, opcode=1, last=True, compressed=False):
    """A masked frame."""
    payload = payload.encode() if isinstance(payload, str) else payload
    first = opcode | (0x80 if last else 0) | (0x40 if compressed else 0)
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, length)
    mask = (MASK * (length // 4 + 1))[:length]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
    return head + MASK + masked


def squeezed(text, opcode=1):
    """The same with its payload compressed (RFC 7692)."""
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return frame(data[:-4], opcode, compressed=True)


def handshake(path="/ws", protocol=None, deflate=False, token=None):
    fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    fields += ["Sec-WebSocket-Protocol: " + protocol] if protocol else []
    fields += ["Sec-WebSocket-Extensions: permessage-deflate"] if deflate else []
    fields += ["Authorization: Bearer " + token] if token else []
    return ("GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, "\r\n".join(fields))).encode()


class WebSocket(Socket):
    def __init__(self, port, path="/ws", protocol=None, deflate=False, token=None, **options):
        super().__init__(port, **options)
        self.send(handshake(path, protocol, deflate, token))
        self.opened()

    def opened(self):
        head = self.until(b"\r\n\r\n").decode()
        if not head.startswith("HTTP/1.1 101 "):
            raise AssertionError(head)
        self._is_fresh = "server_no_context_takeover" in head
        self._inflate = zlib.decompressobj(wbits=-15)
        return self

    def say(self, text):
        return self.send(frame(text))

    def receive(self):
        """The opcode and the payload of the next message; pings are answered."""
        first, length = self.read(2)
        if length == 126:
            length, = struct.unpack(">H", self.read(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.read(8))
        payload = self.read(length)
        if first == 0x89:
            self.send(frame(payload, opcode=10))
            return self.receive()
        if first & 0x40:
            if self._is_fresh:
                self._inflate = zlib.decompressobj(wbits=-15)
            payload = self._inflate.decompress(payload + b"\0\0\xff\xff")
        return first & 0x0f, payload

    def text(self):
        opcode, payload = self.receive()
        if opcode == 8:
            raise ConnectionError("close frame %r" % payload)
        return payload.decode()

    def closing(self):
        """The code and the reason of the close frame that comes next; it is answered."""
        opcode, payload = self.receive()
        if opcode != 8:
            raise AssertionError((opcode, payload))
        self.send(frame(payload[:2], opcode=8))
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()


class Json(WebSocket):
    def __init__(self, port, path="/ws", **options):
        super().__init__(port, path, JSON_DOOR, **options)
        self.welcome = self.event()

    def command(self, kind, **fields):
        return self.say(json.dumps({"type": kind, **fields}))

    def event(self):
        return json.loads(self.text())

    def next(self, *kinds):
        """The next event of these kinds. Nothing may come before it but who comes and goes, and pings."""
        while True:
            event = self.event()
            if event["type"] in kinds:
                return event
            if event["type"] == "ping":
                self.command("pong")
            elif event["type"] != "presence":
                raise AssertionError(event)

    def ask(self, kind, *kinds, **fields):
        return self.command(kind, **fields).next(*kinds, "error")

    def hear(self):
        return self.next("message")["data"]


class Http(Socket):
    def ask(self, method, target, body=b"", fields=()):
        """The status, the header fields and the body."""
        return self.send(request(method, target, body, fields)).answer()

    def answer(self):
        head = self.until(b"\r\n\r\n").decode()
        fields = dict(re.findall(r"^([\w-]+): (.*?)\r$", head.lower(), re.M))
        return int(head.split(" ")[1]), fields, self.read(int(fields.get("content-length", 0)))

    def json(self, method, target, body=b"", fields=()):
        """The answer, which says that all is well."""
        status, _, answer = self.ask(method, target, body, fields)
        if not 200 <= status < 300:
            raise AssertionError((method, target, status, answer))
        return json.loads(answer or "null")


def request(method, target, body=b"", fields=()):
    fields = ["Host: localhost", "Content-Length: %d" % len(body), *fields]
    return ("%s %s HTTP/1.1\r\n%s\r\n\r\n" % (method, target, "\r\n".join(fields))).encode() + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Events(Socket):
    """A stream of events."""

    def __init__(self, port, room, last=None, **options):
        super().__init__(port, **options)
        last = ["Last-Event-ID: " + last] if last else []
        self.send(request("GET", "/rooms/%s/events" % room, fields=last))
        self.opened()

    def opened(self):
        head = self.until(b"\r\n\r\n").decode()
        self._is_chunked = "chunked" in head.lower()
        self._body = ""
        if not head.startswith("HTTP/1.1 200 "):
            raise AssertionError(head)
        return self

    def event(self):
        """The next one, by the names of its fields; comments are left out."""
        while "\n\n" not in self._body:
            self._body += self._piece()
        event, self._body = self._body.split("\n\n", 1)
        lines = [line.split(":", 1) for line in event.split("\n") if line]
        fields = {name: value.removeprefix(" ") for name, value in lines if name}
        return fields or self.event()

    def _piece(self):
        if not self._is_chunked:
            return self.until(b"\n").decode()
        length = int(self.until(b"\r\n"), 16)
        return self.read(length + 2)[:-2].decode()

    def hear(self):
        fields = self.event()
        if "event" in fields:
            raise AssertionError(fields)
        self.last = fields["id"]
        return json.loads(fields["data"])["data"]


class Lines(Socket):
    def line(self):
        return self.until(b"\n").decode().rstrip("\r\n")

    def say(self, text):
        return self.send(text.encode() + b"\n")

    def hear(self):
        """What the next line says that somebody has said."""
        while True:
            line = self.line()
            if not line.startswith("* "):
                return line.split(": ", 1)[1]
