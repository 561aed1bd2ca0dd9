"""Nodes that share a Redis, and the fixture of all these tests."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time

sys.dont_write_bytecode = True
_tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [_tests, os.path.join(_tests, "upgrade"), os.path.join(_tests, "durability")]
import harness  # noqa: E402
import stores  # noqa: E402
from proxy import Proxy  # noqa: E402
from wire import Http  # noqa: E402

SECONDS = 60
# One address has all clients here, and a room keeps all that is said in a test.
FLAGS = [*harness.NO_LIMITS, "--max-per-person", "0", "--history", "100000", "--history-bytes", "50000000",
         "--max-failed-tokens", "0"]
SECRET = "a secret of these tests with 32 bytes"


def token(name, **claims):
    """A JSON Web Token for this name, for all rooms."""
    def part(it):
        return base64.urlsafe_b64encode(json.dumps(it).encode()).rstrip(b"=").decode()
    claims = {"sub": name, "exp": int(time.time()) + 3600, "subscribe": ["*"], "publish": ["*"], **claims}
    signed = "%s.%s" % (part({"alg": "HS256", "typ": "JWT"}), part(claims))
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return "%s.%s" % (signed, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


class Node(harness.Server):
    """One server at whatever Redis its URLs name."""

    def __init__(self, urls, *flags):
        super().__init__(*FLAGS, *(word for url in urls for word in ("--redis", url)), *flags)

    def http(self):
        return Http(self.port)


def until(holds, what, seconds=SECONDS):
    """Asks again and again, where nobody tells; what comes of it in the end."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError("not in time: " + what)
        time.sleep(0.02)
    return found


class Case(harness.Case):
    def setUp(self):
        super().setUp()
        self._folders = 0

    def make_folder(self, name):
        self._folders += 1
        path = os.path.join(self.folder, "%s-%d" % (name, self._folders))
        os.mkdir(path)
        return path

    def start_redis(self, *settings, **options):
        redis = stores.Redis(self.make_folder("redis"), *settings, **options)
        self.addCleanup(redis.close)
        return redis

    def start_proxy(self, redis):
        proxy = Proxy(redis.port)
        self.addCleanup(proxy.close)
        return proxy

    def start_node(self, *urls, flags=(), is_met=True):
        """`is_met` says that Redis is there, and lets the node in."""
        node = Node(urls, *flags)
        self.addCleanup(node.kill)
        if urls and is_met:
            node.wait_for_log("connected to Redis for commands")
        return node

    def start_nodes(self, count, *urls, flags=()):
        return [self.start_node(*urls, flags=flags) for _ in range(count)]

    def secret_flags(self):
        """The flags with which a node asks for the tokens that `token` makes."""
        return ["--secret-file", self.write("secret", SECRET)]

    # What nodes are asked.

    @staticmethod
    def token_of(name, **claims):
        return token(name, **claims)

    @staticmethod
    def bearer(name, **claims):
        return "Authorization: Bearer " + token(name, **claims)

    def post(self, node, room, text, query="", name=None):
        """The answer to a message that has to be taken."""
        fields = [self.bearer(name)] if name else []
        return self.keep(node.http()).json("POST", "/rooms/%s?%s" % (room, query), text, fields)

    def messages(self, node, room, query="limit=300", name=None):
        fields = [self.bearer(name)] if name else []
        return self.keep(node.http()).json("GET", "/rooms/%s/messages?%s" % (room, query), fields=fields)

    # What histories have to be.

    def assert_right(self, history, may_lose=False):
        findings = history.check(may_lose)
        self.assertEqual(dict(findings.counts), {}, "\n".join(findings.examples))
        self.assertGreater(history.acknowledged(), 0)

    def assert_stayed(self, history, count):
        """The readers of so many nodes had one connection all the time."""
        for kind, rooms in (("reader", 3), ("listener", 1), ("plain", 1), ("lines", 1)):
            for place in range(count):
                name = "%s-%d" % (kind, place)
                self.assertEqual(sum(session.reader == name for session in history.sessions), rooms, name)
