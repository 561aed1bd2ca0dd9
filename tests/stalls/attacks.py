"""The attacks: each is a generator that prepares, yields, and attacks from then on until `target.until`.

What it returns is a note for the table: what the attack did besides making others wait. An attack that the server
refuses is no failure: it goes on with what it was allowed, and the note says so.
"""

import json
import os
import random
import re
import ssl
import time

from wire import JSON_DOOR, Pump, ask, connect, frame, get, make_token, post, upgrade

ATTACKS = []
SECRET = b"0123456789abcdef0123456789abcdef"
# Nearly all that 20,000 open files allow, and what those who watch and the pair need.
MANY = 19_000
CROWD = 10_000


class Attack:
    def __init__(self, number, what, run, flags, seconds, **options):
        self.number, self.what, self.run, self.flags, self.seconds = number, what, run, flags, seconds
        # The server wants tokens; it speaks TLS; the load generator brings the pair along.
        self.has_tokens, self.has_tls, self.own_pair = (options.get(it, False) for it in ("tokens", "tls", "own_pair"))


def attack(number, what, *flags, seconds=5, **options):
    def add(run):
        ATTACKS.append(Attack(number, what, run, flags, seconds, **options))
        return run
    return add


def token(name, **claims):
    return make_token(SECRET, sub=name, **{"exp": int(time.time()) + 600, **claims})


def json_crowd(port, count, path="/ws", deflate=False, **options):
    request = upgrade(path, JSON_DOOR, deflate)
    return connect(port, (request for _ in range(count)), **options)


def repeat(target, pump, data, pause):
    """Sends the data on each socket, and again as soon as it is sent and the pause over."""
    until = {}
    while time.monotonic() < target.until:
        now = time.monotonic()
        for one in list(pump.sockets.values()):
            if pump.is_idle(one) and until.get(one, 0) <= now:
                pump.send(one, data)
                until[one] = now + pause
        pump.turn()


@attack("–", "nothing")
def nothing(target):
    yield
    time.sleep(max(0, target.until - time.monotonic()))


@attack("1", "300 readers behind in a `latest` room with 1,000 keys read again", "--overflow", "big=latest",
        seconds=8)
def latest(target):
    speaker = Pump(connect(target.port, [upgrade("/ws", JSON_DOOR)]))
    speak = next(iter(speaker.sockets.values()))
    for key in range(1_000):
        body = b'{"value": %d, "note": "%s"}' % (key, random.Random(key).randbytes(350).hex().encode())
        ask_post(target.port, "/rooms/big?key=k%d&retain" % key, body)
    readers = json_crowd(target.port, 300, "/ws/big", deflate=True, receive_buffer=4_096)
    # More than the kernel holds for those who do not read, so that they fall behind.
    noise = random.Random(7).randbytes(30_000).hex()
    filler = frame({"type": "publish", "room": "big", "key": "k1", "data": noise})
    for _ in range(300):
        # Within the time for which those who answer no ping are kept.
        speaker.send(speak, filler)
        speaker.run(time.monotonic() + 0.03)
    pump = Pump(readers)
    yield
    pump.run(target.until)
    return "%.0f MB read" % (sum(pump.received.values()) / 1e6)


def ask_post(port, path, body):
    return ask(port, post(path, body))


def rooms_attack(target, names):
    """9,000 rooms, and a token for many of them that asks for the list, 200 commands in a packet."""
    # One person may begin half of all rooms.
    tokens = (token("maker-%d" % number, subscribe=["*"], publish=["*"]) for number in range(90))
    makers = connect(target.port, (upgrade("/ws", JSON_DOOR, token=each) for each in tokens))
    pump = Pump(makers)
    for number, one in enumerate(makers):
        pump.send(one, b"".join(frame({"type": "join", "room": "room-%d-%d" % (number, nth)}) for nth in range(99)))
    pump.flush()
    asker = token("asker", subscribe=names, publish=["asker"])
    for _ in range(100):
        pump.run(time.monotonic() + 0.1)
        rooms = re.search(rb"^parlor_rooms (\d+)", ask(target.port, get("/metrics")), re.M)
        if rooms and int(rooms[1]) >= 8_900:
            break
    else:
        raise SystemExit("not the rooms that the attack needs: %s" % (rooms and rooms[0]))
    pump = Pump(connect(target.port, [upgrade("/ws", JSON_DOOR, token=asker)] * 3))
    yield
    repeat(target, pump, frame({"type": "rooms"}) * 200, 1)
    return ""


@attack("2", "`rooms`, 200 in a packet, 99 names, 9,000 rooms", tokens=True)
def rooms_by_name(target):
    return (yield from rooms_attack(target, ["room-%d-0" % nth for nth in range(99)]))


@attack("2", "`rooms`, 200 in a packet, 99 patterns, 9,000 rooms", tokens=True)
def rooms_by_pattern(target):
    return (yield from rooms_attack(target, ["*%d*-*%d*0" % (nth % 10, nth) for nth in range(99)]))


@attack("2", "`rooms`, 200 in a packet, 99 patterns `*a*a…*b`, 9,000 rooms", tokens=True)
def rooms_by_many_stars(target):
    return (yield from rooms_attack(target, ["*o" * 10 + "*b%d" % nth for nth in range(99)]))


@attack("3", "`GET …/messages?limit=300` of control characters, 100 connections")
def control_characters(target):
    for _ in range(256):
        ask_post(target.port, "/rooms/r", b"\x01" * 3_900)
    pump = Pump(connect(target.port, [get("/healthz")] * 100, expect=b" 200 "))
    yield
    # Each asks again when its answer has come, as far as one can see that from the outside.
    repeat(target, pump, get("/rooms/r/messages?limit=300"), 0.1)
    return "%.0f MB of answers" % (sum(pump.received.values()) / 1e6)


@attack("4", "`history` compressed, 40 JSON connections at their rate")
def history(target):
    for _ in range(256):
        ask_post(target.port, "/rooms/r", b"a reading like many others " * 140)
    pump = Pump(json_crowd(target.port, 40, deflate=True))
    yield
    # As many a second as --rate allows to commands.
    repeat(target, pump, frame({"type": "history", "room": "r", "limit": 300}) * 100, 1)
    return "%.1f MB of answers" % (sum(pump.received.values()) / 1e6)


@attack("5", "`direct`, 200 in a packet, to one person with 19,000 connections", tokens=True)
def direct(target):
    many = crowd_of_one(target, int(time.time()) + 600)
    sender = Pump(connect(target.port, [upgrade("/ws", JSON_DOOR, token=token("sender"))]))
    one = next(iter(sender.sockets.values()))
    pump = Pump(many)
    yield
    end = 0
    while time.monotonic() < target.until:
        if time.monotonic() > end:
            sender.send(one, frame({"type": "direct", "to": "crowd", "data": "hello"}) * 200)
            end = time.monotonic() + 2
        sender.turn(0)
        pump.turn()
    return "%d connections, %d MB read" % (len(many), sum(pump.received.values()) / 1e6)


def crowd_of_one(target, end, before=None):
    request = upgrade("/ws", JSON_DOOR, token=token("crowd", exp=end))
    return connect(target.port, (request for _ in range(MANY)), before=before)


def expire(target, connections, end, pump):
    """Waits until just before the tokens end."""
    time.sleep(max(0, end - time.time() - 2))
    # What came with the connect, or since.
    while pump.turn(0):
        pass
    pump.received = dict.fromkeys(pump.received, 0)
    yield
    pump.run(target.until)
    told = sum(count > 0 for count in pump.received.values())
    return "%d connections, %d of them told so in time" % (connections, told)


@attack("5", "one person's 19,000 connections expire at once", tokens=True)
def one_person_expires(target):
    end = int(time.time()) + 45
    many = crowd_of_one(target, end, time.monotonic() + 40)
    return (yield from expire(target, len(many), end, Pump(many)))


@attack("5", "12,000 people's tokens expire at once", tokens=True)
def many_people_expire(target):
    end = int(time.time()) + 45
    requests = (upgrade("/ws", JSON_DOOR, token=token("person-%d" % nth, exp=end, subscribe=["*"]))
                for nth in range(12_000))
    many = connect(target.port, requests, before=time.monotonic() + 40)
    return (yield from expire(target, len(many), end, Pump(many)))


@attack("6", "478 short messages in a packet, two compressed audiences")
def short_messages(target):
    # Just above --deflate-min, so that 64 KiB hold 478 of them.
    message = frame(bytes(random.Random(7).choices(b"abcdefghijklmnopqrstuvwxyz ", k=129)))
    plain = connect(target.port, [upgrade("/ws/talk", deflate=True)] * 3)
    others = json_crowd(target.port, 3, "/ws/talk", deflate=True)
    pump = Pump(plain + others)
    yield
    while time.monotonic() < target.until:
        if pump.is_idle(plain[0]):
            pump.send(plain[0], message * 478)
        pump.turn(0.02)
    return "%.0f MB read" % (sum(pump.received.values()) / 1e6)


@attack("6", "`--max-memory` used up, 10,000 idle connections, 200 that do not read", "--max-memory", "16777216")
def memory(target):
    idle = connect(target.port, (upgrade("/ws/idle") for _ in range(CROWD)))
    slow = connect(target.port, [upgrade("/ws/flood")] * 200, receive_buffer=4_096)
    flooders = Pump(connect(target.port, [upgrade("/ws/flood")] * 2))
    yield
    repeat(target, flooders, frame(b"x" * 60_000), 0)
    return "%d idle, %d slow" % (len(idle), len(slow))


@attack("6", "`GET /metrics` by 20 connections, 10,000 connections")
def scrapes(target):
    idle = connect(target.port, (upgrade("/ws/idle", JSON_DOOR if nth % 2 else None) for nth in range(CROWD)))
    pump = Pump(connect(target.port, [get("/healthz")] * 20, expect=b" 200 "))
    yield
    repeat(target, pump, get("/metrics") * 10, 0.01)
    return "%d idle, %.1f MB of answers" % (len(idle), sum(pump.received.values()) / 1e6)


@attack("6", "presence of a crowd: 10,000 members, 500 come and go a second")
def presence(target):
    members = json_crowd(target.port, CROWD, "/ws/crowd")
    pump = Pump(members)
    yield
    while time.monotonic() < target.until:
        for one in json_crowd(target.port, 50, "/ws/crowd"):
            one.close()
        pump.turn()
    return "%d members" % len(members)


@attack("7", "1,000 TLS handshakes waiting at a time", tls=True)
def handshakes(target):
    hello = client_hello()
    yield
    while time.monotonic() < target.until:
        # No answer is an HTTP response: all of them are given up after a moment.
        connect(target.port, [hello] * 1_000, at_once=1_001, before=min(time.monotonic() + 1, target.until))
    return ""


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


@attack("8", "1,000 stream readers that read nothing")
def readers_of_nothing(target):
    before = kernel_memory()
    readers = connect(target.port, (get("/rooms/flood/events") for _ in range(1_000)), receive_buffer=4_096,
                      expect=b" 200 ")
    sender = Pump(connect(target.port, [upgrade("/ws/flood")]))
    most = before
    yield
    one = next(iter(sender.sockets.values()))
    while time.monotonic() < target.until:
        if sender.is_idle(one) and one.fileno() in sender.sockets:
            sender.send(one, frame(b"x" * 30_000))
        sender.turn(0.01)
        most = max(most, kernel_memory())
    return "%d readers, %.0f MB in the kernel" % (len(readers), (most - before) / 1e6)


def kernel_memory():
    """Bytes of all TCP sockets of this machine."""
    with open("/proc/net/sockstat", encoding="ascii") as text:
        pages = re.search(r"TCP: .* mem (\d+)", text.read())
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")


def is_retained(port, room, key):
    request = upgrade("/ws/" + room, JSON_DOOR)
    pump = Pump(connect(port, [request]))
    heard = b"".join(data for _ in range(50) for _, data in pump.turn(0.02))
    return b'"key":"%s"' % key.encode() in heard


@attack("9", "retained values in 10,000 new rooms over one connection")
def retained(target):
    for nth in range(20):
        ask_post(target.port, "/rooms/plant-%d?key=alarm&retain" % nth, b"the boiler is too hot")
    pump = Pump(connect(target.port, [get("/healthz")], expect=b" 200 "))
    one = next(iter(pump.sockets.values()))
    yield
    for begin in range(0, 10_000, 100):
        pump.send(one, b"".join(post("/rooms/flood-%d?key=k&retain" % nth, b"x") for nth in range(begin, begin + 100)))
        while not pump.is_idle(one) and time.monotonic() < target.until:
            pump.turn()
    pump.run(target.until)
    return "%d of 20 alarms left" % sum(is_retained(target.port, "plant-%d" % nth, "alarm") for nth in range(20))


@attack("10", "100,000 `dedup` ids of a stranger")
def dedup(target):
    first = [json.loads(ask_post(target.port, "/rooms/plant?dedup=mine-%d" % nth, b"42")) for nth in range(20)]
    pump = Pump(connect(target.port, [get("/healthz")] * 4, expect=b" 200 "))
    sockets = list(pump.sockets.values())
    yield
    for begin in range(0, 110_000, 100):
        one = sockets[begin // 100 % len(sockets)]
        pump.send(one, b"".join(post("/rooms/flood?dedup=%d" % nth, b"x") for nth in range(begin, begin + 100)))
        while not pump.is_idle(one) and time.monotonic() < target.until:
            pump.turn()
    pump.run(target.until)
    again = [json.loads(ask_post(target.port, "/rooms/plant?dedup=mine-%d" % nth, b"42")) for nth in range(20)]
    return "%d of 20 retries said twice" % sum(one.get("offset") != two.get("offset") for one, two in zip(first, again))


@attack("24", "9,000 JSON clients return at once, 40 messages missed", "--rate", "0", own_pair=True)
def returns(target):
    target.load = ["--return", 9_000, "--missed", 40, "--connect-concurrency", 500]
    yield


@attack("24", "9,000 JSON clients return at once, 10 messages a second", "--rate", "0", own_pair=True)
def returns_while_said(target):
    target.load = ["--return", 9_000, "--return-rate", 10, "--connect-concurrency", 500]
    yield
