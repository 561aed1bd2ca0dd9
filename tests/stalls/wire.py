"""What an attacker needs: many connections, prepared bytes, and a way to read and write them all at once."""

import base64
import hashlib
import hmac
import json
import select
import socket
import time

# Connections from one source address, and those under way at a time.
PER_SOURCE = 1_000
UNDER_WAY = 500
CONNECT_SECONDS = 60
JSON_DOOR = "parlor.v1.json"


def upgrade(path="/ws", protocol=None, deflate=False, token=None):
    """The request for a WebSocket."""
    fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    fields += ["Sec-WebSocket-Protocol: " + protocol] if protocol else []
    fields += ["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"] if deflate else []
    fields += ["Authorization: Bearer " + token] if token else []
    return ("GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, "\r\n".join(fields))).encode()


def get(path):
    return ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode()


def post(path, body):
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)


def frame(payload):
    """A text frame whose mask changes nothing."""
    payload = json.dumps(payload).encode() if isinstance(payload, dict) else payload
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + payload


def make_token(secret, **claims):
    """A JSON Web Token, HS256."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    head = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps(claims).encode())
    return (head + b"." + encode(hmac.digest(secret, head, hashlib.sha256))).decode()


def dial(port, number, receive_buffer=None):
    """A socket that is connecting."""
    one = socket.socket()
    if receive_buffer:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    one.setblocking(False)
    one.bind(("127.0.0.%d" % (2 + number // PER_SOURCE), 0))
    one.connect_ex(("127.0.0.1", port))
    return one


def connect(port, requests, receive_buffer=None, expect=b" 101 ", before=None, at_once=UNDER_WAY):
    """The connections on which these requests were answered as expected; the others are closed. With `before`, it stops
    at that time."""
    poll, under_way, opened, number = select.epoll(), {}, [], 0
    give_up = before or time.monotonic() + CONNECT_SECONDS
    for request in requests:
        one = dial(port, number, receive_buffer)
        number += 1
        poll.register(one, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        under_way[one.fileno()] = [one, request, b""]
        # Not after each: many answers at a time are cheaper.
        if number % 50 == 0:
            take_answers(poll, under_way, opened, expect)
        while len(under_way) >= at_once and time.monotonic() < give_up:
            take_answers(poll, under_way, opened, expect)
        if time.monotonic() >= give_up:
            break
    while under_way and time.monotonic() < give_up:
        take_answers(poll, under_way, opened, expect)
    for one, _, _ in under_way.values():
        one.close()
    poll.close()
    return opened


def take_answers(poll, under_way, opened, expect):
    for number, events in poll.poll(0.005, UNDER_WAY):
        state = under_way.get(number)
        if not state:
            continue
        one, request, head = state
        try:
            if events & select.EPOLLOUT and request:
                one.send(request)
                state[1] = b""
            if events & select.EPOLLIN:
                state[2] = head = head + one.recv(65_536)
                if not head:
                    raise OSError("closed")
        except BlockingIOError:
            continue
        except OSError:
            one.close()
            del under_way[number]
            continue
        if b"\r\n\r\n" not in head:
            continue
        del under_way[number]
        if expect in head.split(b"\r\n", 1)[0]:
            poll.unregister(one)
            opened.append(one)
        else:
            one.close()


class Pump:
    """Reads from all of its sockets and throws away what comes, and writes what is queued for them."""

    def __init__(self, sockets):
        self.poll = select.epoll()
        self.sockets = {one.fileno(): one for one in sockets}
        self.queued = {}
        self.received = dict.fromkeys(self.sockets, 0)
        for one in sockets:
            one.setblocking(False)
            self.poll.register(one, select.EPOLLIN)

    def send(self, one, data):
        number = one.fileno()
        if number in self.sockets:
            self.queued[number] = self.queued.get(number, b"") + data
            self.poll.modify(one, select.EPOLLIN | select.EPOLLOUT)

    def is_idle(self, one):
        """Everything queued for it has been sent."""
        return one.fileno() not in self.queued

    def turn(self, seconds=0.005):
        """One look at all of them; the sockets that something came on."""
        heard = []
        for number, events in self.poll.poll(seconds, 256):
            one = self.sockets[number]
            try:
                if events & select.EPOLLOUT:
                    self.write(number, one)
                if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    data = one.recv(1 << 18)
                    if not data:
                        raise OSError("closed")
                    self.received[number] += len(data)
                    heard.append((one, data))
            except BlockingIOError:
                pass
            except OSError:
                self.drop(number)
        return heard

    def write(self, number, one):
        data = self.queued.get(number, b"")
        sent = one.send(data) if data else 0
        if sent < len(data):
            self.queued[number] = data[sent:]
        else:
            self.queued.pop(number, None)
            self.poll.modify(one, select.EPOLLIN)

    def drop(self, number):
        one = self.sockets.pop(number)
        self.queued.pop(number, None)
        self.poll.unregister(one)
        one.close()

    def run(self, until, each=None):
        """Turns until that time; `each` is called with what came on a socket."""
        while time.monotonic() < until:
            for one, data in self.turn():
                if each:
                    each(one, data)

    def flush(self, seconds=20):
        """Turns until all that is queued has been sent, and nothing comes for a moment."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (self.turn(0.2) or self.queued):
            pass


def ask(port, request, seconds=20):
    """The body of one answer, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as one:
        one.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = b""
        while piece := one.recv(1 << 16):
            answer += piece
        return answer.split(b"\r\n\r\n", 1)[-1]
