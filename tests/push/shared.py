"""Push from three nodes on one Redis: each message is pushed once, and what one node knows all know."""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

_tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(_tests, name) for name in ("redis", "upgrade")]

import harness  # noqa: E402
import parlor  # noqa: E402
import service  # noqa: E402
import stores  # noqa: E402
from nodes import SECRET, token, until  # noqa: E402
from wire import Http, Json  # noqa: E402

ID = "0123456789abcdef"
JSON = "Content-Type: application/json"


class Shared(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-push-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        parlor.authority(self.folder)
        certificate, key, trusted, signs = (os.path.join(self.folder, name) for name in (
            "cert.pem", "key.pem", "ca.pem", "push.pem"))
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", signs],
                       check=True, capture_output=True)
        self.service = service.Service(service.context(certificate, key))
        self.addCleanup(self.service.close)
        self.phone = self.service.subscribe()
        self.redis = stores.Redis(os.path.join(self.folder, "redis"))
        self.addCleanup(self.redis.close)
        self.flags = [*harness.NO_LIMITS, "--redis", self.redis.url, "--push-contact", "mailto:ops@example.org",
                      "--push-key", signs, "--webhook-allow", "127.0.0.1", "--webhook-allow", "::1", "--webhook-ca", trusted]

    def start(self, count=3, flags=()):
        return [self.begin(flags) for _ in range(count)]

    def begin(self, flags=()):
        node = harness.Server(*self.flags, *flags)
        self.addCleanup(node.kill)
        node.wait_for_log("connected to Redis for commands")
        return node

    def ask(self, node, method, path, body=None, fields=()):
        """The status of an answer, and its body."""
        connection = Http(node.port)
        try:
            body = b"" if body is None else json.dumps(body).encode()
            status, _, answer = connection.ask(method, path, body, [JSON, *fields])
            return status, answer.decode()
        finally:
            connection.close()

    def wanted(self, phone=None, **change):
        phone = phone or self.phone
        return {"endpoint": phone.endpoint, "keys": phone.keys(), "rooms": ["plant"], "kinds": ["alarm"], **change}

    def put(self, node, wanted=None, fields=(), name=ID):
        return self.ask(node, "PUT", "/push/subscriptions/" + name, wanted or self.wanted(), fields)[0]

    def subscribe(self, node, *args, **options):
        """A node takes subscriptions as soon as it knows all."""
        until(lambda: self.put(node, *args, **options) == 204, "a subscription is taken")

    def metric(self, node, name):
        found = re.search(r"^%s (\d+)$" % name, self.ask(node, "GET", "/metrics")[1], re.M)
        return int(found[1])

    def sent(self, nodes):
        return sum(self.metric(node, "parlor_push_sent_total") for node in nodes)

    def wait_for_subscriptions(self, nodes, count):
        for node in nodes:
            until(lambda node=node: self.metric(node, "parlor_push_subscriptions") == count, "%d subscriptions" % count)

    def alarm(self, node, change, key="alarm.pump", **more):
        status, answer = self.ask(node, "POST", "/rooms/plant?retain&key=" + key, {"alarm": change, **more})
        self.assertEqual(status, 200, answer)

    def direct(self, person, text):
        """What the answer to a direct message is, which its sender may see, too."""
        person.command("direct", to="ana", data=text)
        while (kind := person.event()["type"]) not in ("ok", "error"):
            pass
        return kind

    def hear(self, *states):
        """What was pushed to the phone, and nothing else."""
        self.service.wait("%d pushes" % len(states), lambda: len(self.phone.heard) >= len(states))
        self.assertEqual([push.body["parlor"]["state"] for push in self.phone.heard], list(states))

    def test_the_node_that_takes_a_message_pushes_it(self):
        nodes = self.start()
        self.subscribe(nodes[0])
        self.wait_for_subscriptions(nodes, 1)
        self.alarm(nodes[1], "raised", text="hot", severity="critical")
        self.hear("raised")
        self.alarm(nodes[2], "acknowledged", by="ana")
        self.hear("raised", "acknowledged")
        self.alarm(nodes[0], "cleared")
        self.hear("raised", "acknowledged", "cleared")
        self.assertEqual({push.body["notification"]["tag"] for push in self.phone.heard}, {"plant/alarm.pump"})
        self.assertEqual(len({push.headers["topic"] for push in self.phone.heard}), 1)
        self.assertEqual(len({push.key for push in self.phone.heard}), 1)
        self.assertEqual(self.phone.heard[1].body["notification"]["title"], "Acknowledged by ana: hot")
        until(lambda: self.sent(nodes) == 3, "all are counted")

    def test_alarms_at_all_nodes_at_once_are_told_once_each(self):
        nodes = self.start()
        self.subscribe(nodes[0])
        self.wait_for_subscriptions(nodes, 1)
        alarms = [(node, "alarm.n%d-%d" % (place, number)) for place, node in enumerate(nodes) for number in range(10)]
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            list(pool.map(lambda it: self.alarm(it[0], "raised", key=it[1]), alarms))
        self.service.wait("30 pushes", lambda: len(self.phone.heard) >= 30)
        for place, (_, key) in enumerate(alarms):
            self.alarm(nodes[place % 3], "cleared", key=key)
        self.service.wait("60 pushes", lambda: len(self.phone.heard) >= 60)
        told = [(push.body["parlor"]["key"], push.body["parlor"]["state"]) for push in self.phone.heard]
        self.assertEqual(sorted(told), sorted((key, state) for _, key in alarms for state in ("raised", "cleared")))
        until(lambda: self.sent(nodes) == 60, "all are counted")

    def test_what_a_push_service_ends_is_over_at_all_nodes(self):
        nodes = self.start()
        self.subscribe(nodes[0])
        self.wait_for_subscriptions(nodes, 1)
        self.phone.answer = 410
        self.alarm(nodes[1], "raised")
        self.wait_for_subscriptions(nodes, 0)
        removed = [self.metric(node, "parlor_push_removed_total") for node in nodes]
        self.assertEqual(removed, [0, 1, 0], "the node that has asked counts it")

    def test_a_node_that_begins_knows_all_and_withdraws_what_a_dead_one_has_told(self):
        nodes = self.start()
        self.subscribe(nodes[0])
        self.wait_for_subscriptions(nodes, 1)
        self.alarm(nodes[1], "raised")
        self.hear("raised")
        key = "parlor:{people}:push:told"
        until(lambda: '"told":{"' in str(self.redis.ask("HVALS", key)), "Redis knows who was told")
        for node in nodes[:2]:
            node.kill()
        fresh = self.begin()
        self.wait_for_subscriptions([fresh], 1)
        self.alarm(fresh, "acknowledged")
        self.hear("raised", "acknowledged")
        until(lambda: self.metric(fresh, "parlor_push_sent_total") == 1, "it is the fresh node's")

    def test_redis_away_takes_no_subscription_and_one_that_is_empty_gets_them_back(self):
        nodes = self.start()
        self.subscribe(nodes[0])
        self.wait_for_subscriptions(nodes, 1)
        self.phone.answer = 503
        self.alarm(nodes[1], "raised")
        until(lambda: self.metric(nodes[1], "parlor_push_failed_total") > 0, "the push service fails")
        self.redis.kill()
        until(lambda: self.put(nodes[2]) == 503, "a subscription is refused")
        self.assertEqual(self.ask(nodes[2], "DELETE", "/push/subscriptions/" + ID)[0], 503)
        # What is known is told.
        self.phone.answer = 201
        self.hear("raised")
        self.redis.lose_everything()
        fresh = self.begin()
        self.wait_for_subscriptions([*nodes, fresh], 1)
        self.alarm(fresh, "raised", key="alarm.fan")
        self.hear("raised", "raised")
        self.assertEqual(self.ask(fresh, "DELETE", "/push/subscriptions/" + ID)[0], 204)
        self.wait_for_subscriptions([*nodes, fresh], 0)

    def test_an_upgrade_keeps_what_waits(self):
        node, other = self.start(2)
        self.subscribe(other)
        self.wait_for_subscriptions([node], 1)
        self.phone.answer = 503
        self.alarm(node, "raised")
        until(lambda: self.metric(node, "parlor_push_failed_total") > 0, "the push service fails")
        node.upgrade()
        self.phone.answer = 201
        self.hear("raised")
        self.alarm(node, "cleared")
        self.hear("raised", "cleared")

    def test_whose_a_subscription_is_holds_at_all_nodes(self):
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write(SECRET)
        first, second = self.start(2, ["--secret-file", secret])
        ana, ben = (["Authorization: Bearer " + token(name)] for name in ("ana", "ben"))
        for node in first, second:
            self.subscribe(node, self.wanted(kinds=["direct"]), ana)
        self.assertEqual(self.put(second, fields=ben), 409)
        self.assertEqual(self.ask(second, "DELETE", "/push/subscriptions/" + ID, fields=ben)[0], 404)
        here = Json(second.port, "/ws?token=" + token("ben"))
        self.addCleanup(here.close)
        here.ask("join", "joined", room="plant")
        there = Json(first.port, "/ws?token=" + token("ana"))
        there.ask("join", "joined", room="plant")
        # From then on both nodes know where she is.
        while "ana" not in str(here.event().get("joined")):
            pass
        self.assertEqual(self.direct(here, "seen"), "ok")
        self.assertEqual(there.next("direct")["data"], "seen")
        there.close()
        # It is said to whoever is at no node.
        until(lambda: self.direct(here, "hello") == "ok" and self.phone.heard, "a push")
        self.assertEqual({push.body["notification"]["body"] for push in self.phone.heard}, {"hello"})
        self.assertEqual(self.ask(second, "DELETE", "/push/subscriptions/" + ID, fields=ana)[0], 204)
