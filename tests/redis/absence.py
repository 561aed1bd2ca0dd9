"""What people are told while Redis is away, and what a node does that never had it."""

import json

from nodes import Case, until
from wire import Events, Http, Json, Lines, WebSocket


class Meanwhile(Case):
    """What people are told while Redis is away."""

    def setUp(self):
        super().setUp()
        self.redis = self.start_redis("--appendonly", "yes")

    def test_publishing_is_refused_and_everyone_stays(self):
        node = self.start_node(self.redis.url)
        person, events = self.keep(Json(node.port)), self.keep(Events(node.port, "tea"))
        plain, lines = self.keep(WebSocket(node.port, "/ws/tea")), self.keep(Lines(node.line_port))
        person.ask("join", "joined", room="tea")
        events.event()
        lines.say("/join tea")
        while "in tea" not in lines.line():
            pass
        self.post(node, "tea", b"before")
        self.assertEqual([person.hear(), plain.text(), events.hear(), lines.hear()], ["before"] * 4)
        self.redis.kill()
        status, fields, problem = until(lambda: self.refused(node), "a POST is refused")
        self.assertEqual(status, 503)
        self.assertGreater(int(fields["retry-after"]), 0)
        self.assertEqual(json.loads(problem)["status"], 503)
        error = person.ask("publish", "ok", room="tea", data="x", id=7)
        self.assertEqual((error["type"], error["code"], error["id"]), ("error", "unavailable", 7))
        self.assertGreater(error["retry_ms"], 0)
        speaker = self.keep(WebSocket(node.port, "/ws/tea"))
        speaker.say("x")
        self.assertEqual(speaker.closing()[0], 1013)
        # It is alive, and says so.
        self.assertEqual(self.keep(node.http()).ask("GET", "/healthz")[0], 200)
        self.redis.start()
        until(lambda: not self.refused(node, b"after"), "a POST is taken again")
        self.assertEqual([plain.text(), events.hear(), lines.hear()], ["after"] * 3)
        self.assertEqual(person.hear(), "after")

    def test_members_are_told_when_redis_is_away_and_when_it_is_back(self):
        node = self.start_node(self.redis.url)
        person, events, lines = self.keep(Json(node.port)), self.keep(Events(node.port, "tea")), \
            self.keep(Lines(node.line_port))
        person.ask("join", "joined", room="tea")
        events.event()
        lines.say("/join tea")
        while "in tea" not in lines.line():
            pass
        self.post(node, "tea", b"before")
        self.assertEqual([person.hear(), events.hear(), lines.hear()], ["before"] * 3)
        self.redis.kill()
        self.assertEqual(person.next("paused", "message")["type"], "paused")
        self.assertEqual(events.event()["event"], "paused")
        # Who comes now is told so, too.
        late, typist = self.keep(Events(node.port, "tea")), self.keep(Lines(node.line_port))
        late.event()
        self.assertEqual(late.event()["event"], "paused")
        typist.say("/join tea")
        while "in tea" not in typist.line():
            pass
        self.assertIn("before", typist.line())
        self.assertEqual(typist.line(), "* messages cannot be sent for now")
        self.redis.start()
        self.assertEqual(person.next("resumed", "message")["type"], "resumed")
        self.assertEqual(events.event()["event"], "resumed")
        self.post(node, "tea", b"after")
        self.assertEqual([person.hear(), events.hear(), lines.hear()], ["after"] * 3)

    def refused(self, node, text=b"x"):
        """The answer to a POST that is not taken. It ends its connection."""
        answer = self.keep(node.http()).ask("POST", "/rooms/tea", text)
        return answer if answer[0] != 200 else None

    def test_who_comes_from_a_node_that_is_ahead_misses_nothing(self):
        proxy = self.start_proxy(self.redis)
        first, behind = self.start_node(self.redis.url), self.start_node("redis://127.0.0.1:%d" % proxy.port)
        member = self.keep(Json(behind.port))
        member.ask("join", "joined", room="tea")
        self.post(first, "tea", b"one")
        self.assertEqual(member.hear(), "one")
        proxy.stall()
        for text in (b"two", b"three"):
            answer = self.post(first, "tea", text)
        came = self.keep(Json(behind.port))
        came.command("join", room="tea", since={"epoch": answer["epoch"], "offset": 2})
        behind.read_all()
        proxy.go_on()
        joined = came.next("joined")
        self.assertTrue(joined["recovered"], joined)
        # What it did not know then comes now, and nothing twice.
        told = [it["data"] for it in joined["messages"]]
        self.assertEqual(told or [came.hear()], ["three"])
        self.assertEqual([member.hear(), member.hear()], ["two", "three"])

    def test_publishing_waits_where_the_operator_wants_it(self):
        node = self.start_node(self.redis.url, flags=["--redis-wait", "10"])
        person = self.keep(Json(node.port))
        person.ask("join", "joined", room="tea")
        self.redis.kill()
        http = self.keep(Http(node.port))
        http.send(b"POST /rooms/tea HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nposted")
        person.command("publish", room="tea", data="published", id=1)
        node.read_all()
        self.redis.start()
        self.assertEqual(http.answer()[0], 200)
        told = [person.next("ok", "message") for _ in range(3)]
        self.assertEqual({it.get("data") for it in told}, {"posted", "published", None})

    def test_waiting_has_an_end(self):
        node = self.start_node(self.redis.url, flags=["--redis-wait", "1"])
        self.post(node, "tea", b"before")
        self.redis.kill()
        answers = [until(lambda: self.refused(node), "a POST is refused") for _ in range(2)]
        self.assertEqual([status for status, *_ in answers], [503, 503])

    def test_redis_stops_and_who_has_asked_is_answered(self):
        node = self.start_node(self.redis.url)
        person = self.keep(Json(node.port))
        person.ask("join", "joined", room="tea")
        self.redis.stop()
        try:
            person.command("publish", room="tea", data="x", id=1, dedup="a")
            self.assertEqual(person.next("ok", "error")["code"], "unavailable")
        finally:
            self.redis.go_on()
        # It may have been carried out; under its id it is there once.
        offset = until(lambda: person_publishes(person), "it is taken")
        self.assertEqual(offset, 1)
        self.assertEqual([it["data"] for it in self.messages(node, "tea")["messages"]], ["x"])


def person_publishes(person):
    """The offset, once it is taken; what the room says meanwhile is left out."""
    person.command("publish", room="tea", data="x", id=2, dedup="a")
    while (event := person.event())["type"] not in ("ok", "error"):
        pass
    return event.get("offset")


class AtTheStart(Case):
    """Redis is not there, or does not let the node in: it starts, says so once, and works when it can."""

    def check(self, node, heals, *words):
        status, fields, _ = self.keep(node.http()).ask("POST", "/rooms/tea", b"x")
        self.assertEqual(status, 503)
        self.assertIn("retry-after", fields)
        self.assertEqual(self.keep(node.http()).ask("GET", "/healthz")[0], 200)
        line = node.wait_for_log("edis")
        for word in words:
            self.assertIn(word.lower(), node.log().lower())
        heals()
        until(lambda: self.keep(node.http()).ask("POST", "/rooms/tea", b"x")[0] == 200, "a POST is taken")
        self.assertEqual(len(self.messages(node, "tea")["messages"]), 1)
        return line

    def complaints(self, node):
        return [line for line in node.log().splitlines() if "edis" in line and ("WARN" in line or "ERROR" in line)]

    def test_redis_is_not_there(self):
        redis = self.start_redis()
        redis.kill()
        proxy = self.start_proxy(redis)
        node = self.start_node("redis://127.0.0.1:%d" % proxy.port, is_met=False)
        # It tries again and again, and says so once.
        proxy.wait_until(lambda it: it.accepted >= 5)
        self.assertEqual(len(self.complaints(node)), 1, node.log())
        self.check(node, redis.start)

    def test_nothing_listens_there(self):
        redis = self.start_redis()
        redis.kill()
        self.check(self.start_node(redis.url, is_met=False), redis.start, "127.0.0.1:%d" % redis.port)

    def test_a_wrong_password(self):
        redis = self.start_redis(password="right")
        node = self.start_node("redis://:of-nobody@127.0.0.1:%d" % redis.port, is_met=False)
        self.check(node, lambda: redis.ask("CONFIG", "SET", "requirepass", "of-nobody"), "password")
        self.assertEqual(len(self.complaints(node)), 1, node.log())
        self.assertNotIn("of-nobody", node.log())

    def test_no_password(self):
        redis = self.start_redis(password="right")
        node = self.start_node("redis://127.0.0.1:%d" % redis.port, is_met=False)
        self.check(node, lambda: redis.ask("CONFIG", "SET", "requirepass", ""), "NOAUTH")

    def test_a_wrong_database(self):
        redis = self.start_redis()
        node = self.start_node(redis.url + "/99", is_met=False)
        http = self.keep(node.http())
        self.assertEqual(http.ask("POST", "/rooms/tea", b"x")[0], 503)
        node.wait_for_log("DB index is out of range")

    def test_the_name_of_the_host_is_not_known(self):
        node = self.start_node("redis://nowhere.invalid:6379", is_met=False)
        self.assertEqual(self.keep(node.http()).ask("POST", "/rooms/tea", b"x")[0], 503)
        node.wait_for_log("nowhere.invalid")

    def test_what_answers_is_no_redis(self):
        other = self.start_node()
        node = self.start_node("redis://127.0.0.1:%d" % other.port, is_met=False)
        self.assertEqual(self.keep(node.http()).ask("POST", "/rooms/tea", b"x")[0], 503)
        node.wait_for_log("127.0.0.1:%d" % other.port)
        self.assertEqual(self.keep(node.http()).ask("GET", "/healthz")[0], 200)
