"""Who is banned at one node is banned at all, until that is lifted or ends."""

import json

from nodes import Case, until
from wire import Json


class Bans(Case):
    def start(self, redis, flags=()):
        return self.start_node(redis.url, flags=(*self.secret_flags(), *flags))

    def govern(self, node, method, target, body=None):
        """What an admin is answered."""
        body = json.dumps(body).encode() if body else b""
        return self.keep(node.http()).ask(method, target, body, [self.bearer("root", admin=True)])[0]

    def status(self, node, name="mallory", room="tea"):
        """What somebody is answered who reads a room."""
        return self.keep(node.http()).ask("GET", "/rooms/%s/messages" % room, fields=[self.bearer(name)])[0]

    def known(self, node):
        """The bans that a node knows, by whom they are of."""
        status, _, body = self.keep(node.http()).ask("GET", "/bans", fields=[self.bearer("root", admin=True)])
        self.assertEqual(status, 200, body)
        return sorted(it.get("name") or it["address"] for it in json.loads(body)["bans"])

    def member(self, node, name="mallory", room="tea"):
        person = self.keep(Json(node.port, token=self.token_of(name)))
        self.assertEqual(person.ask("join", "joined", room=room)["type"], "joined")
        return person

    def test_a_ban_at_one_node_holds_at_all_and_outlives_them(self):
        redis = self.start_redis()
        one, other = self.start(redis), self.start(redis)
        mallory = self.member(other)
        ban = {"name": "mallory", "room": "tea", "reason": "spam"}
        self.assertEqual(self.govern(one, "PUT", "/bans", ban), 200)
        self.assertEqual(mallory.next("error")["ban"], {"room": "tea", "reason": "spam"})
        self.assertEqual(mallory.next("left")["reason"], "banned by an admin")
        self.assertEqual([self.status(node) for node in (one, other)], [403, 403])
        # A node that starts knows it, also if those that knew it are gone.
        for node in (one, other):
            node.kill()
        third = self.start(redis)
        until(lambda: self.known(third) == ["mallory"], "the ban is known to a new node")
        self.assertEqual((self.status(third), self.status(third, room="coffee")), (403, 200))

    def test_a_ban_is_lifted_at_all_nodes(self):
        redis = self.start_redis()
        one, other = self.start(redis), self.start(redis)
        self.assertEqual(self.govern(one, "PUT", "/bans", {"name": "mallory"}), 200)
        until(lambda: self.status(other) == 403, "the ban is known to the other node")
        self.assertEqual(self.govern(other, "DELETE", "/bans?name=mallory"), 204)
        until(lambda: self.status(one) == 200, "it is lifted at the first")
        self.assertEqual(self.known(self.start(redis)), [])

    def test_a_ban_ends_at_all_nodes_and_in_redis(self):
        redis = self.start_redis()
        one, other = self.start(redis), self.start(redis)
        self.assertEqual(self.govern(one, "PUT", "/bans", {"name": "mallory", "seconds": 2}), 200)
        until(lambda: self.status(other) == 403, "the ban is known to the other node")
        for node in (one, other):
            until(lambda: self.status(node) == 200, "the ban has ended")
        until(lambda: redis.ask("HKEYS", "parlor:{people}:bans") == ["version"], "Redis has forgotten it")

    def test_what_is_missed_is_made_up_for(self):
        redis = self.start_redis()
        proxy = self.start_proxy(redis)
        near = self.start(redis)
        far = self.start_node("redis://127.0.0.1:%d" % proxy.port, flags=self.secret_flags())
        mallory = self.member(far)
        proxy.cut()
        self.assertEqual(self.govern(near, "PUT", "/bans", {"name": "mallory", "room": "tea"}), 200)
        self.assertEqual(mallory.next("error")["code"], "banned")
        self.assertEqual(mallory.next("left")["reason"], "banned by an admin")

    def test_a_ban_that_was_set_while_redis_was_away_is_told_then(self):
        redis = self.start_redis("--appendonly", "yes")
        one, other = self.start(redis), self.start(redis)
        self.assertEqual(self.govern(one, "PUT", "/bans", {"name": "mallory"}), 200)
        until(lambda: self.known(other) == ["mallory"], "the ban is known to the other node")
        redis.terminate()
        self.assertEqual(self.govern(one, "PUT", "/bans", {"name": "trudy"}), 200)
        self.assertEqual(self.known(one), ["mallory", "trudy"])
        redis.start()
        until(lambda: self.known(other) == ["mallory", "trudy"], "the other node knows both")

    def test_a_redis_that_has_lost_all_is_told_again(self):
        redis = self.start_redis()
        one, other = self.start(redis), self.start(redis)
        self.assertEqual(self.govern(one, "PUT", "/bans", {"name": "mallory"}), 200)
        until(lambda: self.known(other) == ["mallory"], "the ban is known to the other node")
        redis.ask("FLUSHALL")
        until(lambda: redis.ask("HLEN", "parlor:{people}:bans"), "it is kept again")
        self.assertEqual([self.status(node) for node in (one, other)], [403, 403])
