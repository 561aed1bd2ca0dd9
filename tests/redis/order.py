"""Three nodes are one parlor while nothing is wrong: one order, one history, one state."""

import json
import os
import socket

import stores
from crowd import crowd_at
from nodes import Case, until
from wire import Events, Http, Json, Lines, WebSocket


class Order(Case):
    def setUp(self):
        super().setUp()
        self.redis = self.start_redis()

    def nodes(self, count=3, flags=()):
        return self.start_nodes(count, self.redis.url, flags=flags)

    def test_people_at_all_doors_of_three_nodes(self):
        nodes = self.nodes(flags=self.secret_flags())
        with crowd_at(nodes) as crowd:
            crowd.wait_for(300)
            history = crowd.finish()
        self.assert_right(history)
        # Nobody was refused or lost their node, and the senders that are not answered were heard, too.
        self.assertEqual(history.refusals, {})
        self.assert_stayed(history, len(nodes))
        heard = {text.split("-", 1)[0] for session in history.sessions for text in session.texts}
        self.assertLessEqual({"json", "post", "loud", "typist", "spray", "fence"}, heard)

    def test_what_is_said_at_one_door_is_heard_at_all(self):
        first, second, third = self.nodes()
        plain = self.keep(WebSocket(second.port, "/ws/tea"))
        person = self.keep(Json(third.port))
        joined = person.ask("join", "joined", room="tea")
        events = self.keep(Events(first.port, "tea"))
        self.assertEqual(json.loads(events.event()["data"])["epoch"], joined["epoch"])
        lines = self.keep(Lines(third.line_port))
        lines.say("/join tea")
        while "in tea" not in lines.line():
            pass
        spray = self.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        def heard(text):
            self.assertEqual([plain.text(), person.hear(), events.hear(), lines.hear()], [text] * 4)

        for node in (first, second, third):
            self.keep(Http(node.port)).json("POST", "/rooms/tea", b"posted")
            heard("posted")
            self.keep(Json(node.port)).ask("publish", "ok", room="tea", data="published")
            heard("published")
            spray.sendto(b"tea sprayed", ("127.0.0.1", node.udp_port))
            heard("sprayed")
        plain.say("said")
        heard("said")
        self.keep(WebSocket(third.port, "/ws/tea")).say("said there")
        heard("said there")
        binary = bytes(range(256))
        self.keep(Http(first.port)).json("POST", "/rooms/tea", binary, ["Content-Type: application/octet-stream"])
        self.assertEqual(plain.receive(), (2, binary))

    def test_offsets_and_epochs_are_those_of_all_nodes(self):
        nodes = self.nodes()
        answers = [self.keep(node.http()).json("POST", "/rooms/tea", b"%d" % number)
                   for number, node in enumerate(nodes * 3)]
        self.assertEqual([it["offset"] for it in answers], list(range(1, 10)))
        self.assertEqual(len({it["epoch"] for it in answers}), 1)
        for node in nodes:
            # The last one may be on its way to the other nodes.
            until(lambda: self.messages(node, "tea")["messages"][-1]["offset"] == 9, "all is at each node")
            page = self.messages(node, "tea")
            self.assertEqual([(it["offset"], it["data"]) for it in page["messages"]],
                             [(number + 1, str(number)) for number in range(9)])
            self.assertEqual(page["epoch"], answers[0]["epoch"])
        # Another room has another log.
        self.assertNotEqual(self.keep(nodes[0].http()).json("POST", "/rooms/mate", b"")["epoch"], answers[0]["epoch"])

    def test_history_at_a_node_that_comes_later(self):
        first, = self.nodes(1)
        http = self.keep(first.http())
        for number in range(400):
            http.json("POST", "/rooms/tea", b"%d" % number)
        later, = self.nodes(1)
        newest = self.messages(later, "tea", "limit=5")
        self.assertEqual([it["data"] for it in newest["messages"]], ["395", "396", "397", "398", "399"])
        self.assertTrue(newest["more"])
        oldest = self.messages(later, "tea", "limit=300&before=4")
        self.assertEqual([it["data"] for it in oldest["messages"]], ["0", "1", "2"])
        self.assertFalse(oldest["more"])
        joined = self.keep(Json(later.port)).ask("join", "joined", room="tea", last=2)
        self.assertEqual([it["data"] for it in joined["messages"]], ["398", "399"])
        # All nodes end, and Redis has it all.
        for node in (first, later):
            self.end(node)
        self.assertEqual(self.messages(self.nodes(1)[0], "tea")["messages"][-1]["data"], "399")

    def test_values_that_are_retained(self):
        first, second, third = self.nodes()
        watcher = self.keep(Json(second.port))
        watcher.ask("join", "joined", room="plant")
        http = self.keep(first.http())
        for value in (b"20", b"21"):
            http.json("POST", "/rooms/plant?key=boiler&retain", value)
        self.keep(third.http()).json("POST", "/rooms/plant?key=door&retain", b"open")
        self.assertEqual([watcher.hear() for _ in range(3)], ["20", "21", "open"])

        def retained(node):
            joined = self.keep(Json(node.port)).ask("join", "joined", room="plant")
            return {it["key"]: it["data"] for it in joined["retained"]}

        everyone = [first, second, third, *self.nodes(1)]
        for node in everyone:
            self.assertEqual(retained(node), {"boiler": "21", "door": "open"})
        self.keep(second.http()).json("POST", "/rooms/plant?key=door&retain", b"null",
                                      ["Content-Type: application/json"])
        watcher.next("message")
        for node in [*everyone, *self.nodes(1)]:
            self.assertEqual(retained(node), {"boiler": "21"})

    def test_a_message_with_an_id_is_published_once(self):
        nodes = self.nodes(flags=self.secret_flags())
        answers = [self.post(node, "tea", b"once", "dedup=a", name="ann") for node in nodes]
        self.assertEqual([it["offset"] for it in answers], [1, 1, 1])
        self.assertEqual(self.post(nodes[1], "tea", b"of another", "dedup=a", name="bob")["offset"], 2)
        person = self.keep(Json(nodes[2].port, token=self.token_of("ann")))
        self.assertEqual(person.ask("publish", "ok", room="tea", data="once", dedup="a")["offset"], 1)
        self.assertEqual([it["data"] for it in self.messages(nodes[0], "tea", name="ann")["messages"]],
                         ["once", "of another"])

    def test_whoever_goes_to_another_node_misses_nothing(self):
        first, second, third = self.nodes()
        http = self.keep(first.http())
        for number in range(5):
            epoch = http.json("POST", "/rooms/tea", b"%d" % number)["epoch"]
        for node in (second, third):
            joined = self.keep(Json(node.port)).ask("join", "joined", room="tea", since={"epoch": epoch, "offset": 2})
            self.assertEqual((joined["recovered"], joined["epoch"], joined["offset"]), (True, epoch, 5))
            self.assertEqual([it["data"] for it in joined["messages"]], ["2", "3", "4"])
            events = self.keep(Events(node.port, "tea", last="%s-4" % epoch))
            self.assertTrue(json.loads(events.event()["data"])["recovered"])
            self.assertEqual(events.hear(), "4")
        other = self.keep(Json(third.port)).ask("join", "joined", room="tea",
                                                since={"epoch": "0" * len(epoch), "offset": 2})
        self.assertFalse(other["recovered"])

    def test_ephemeral_messages_reach_all(self):
        nodes = self.nodes()
        people = [self.keep(Json(node.port)) for node in nodes]
        for person in people:
            person.ask("join", "joined", room="tea")
        http = self.keep(nodes[1].http())
        self.assertNotIn("offset", http.json("POST", "/rooms/tea?ephemeral", b"is typing"))
        self.assertEqual(http.json("POST", "/rooms/tea", b"typed")["offset"], 1)
        for person in people:
            event = person.next("message")
            self.assertEqual((event["data"], event.get("ephemeral")), ("is typing", True))
            self.assertEqual(person.next("message")["offset"], 1)
        self.assertEqual(len(self.messages(nodes[2], "tea")["messages"]), 1)

    def test_a_room_is_emptied_on_all_nodes(self):
        nodes = self.nodes(2, flags=self.secret_flags())
        person = self.keep(Json(nodes[1].port, token=self.token_of("ann")))
        epoch = person.ask("join", "joined", room="tea")["epoch"]
        self.post(nodes[0], "tea", b"gone soon", name="bob")
        person.hear()
        status, _, answer = self.keep(nodes[0].http()).ask("DELETE", "/rooms/tea",
                                                           fields=[self.bearer("eve", admin=True)])
        self.assertEqual(status, 204, answer)
        self.assertEqual(person.next("left")["room"], "tea")
        for node in nodes:
            self.assertEqual(self.messages(node, "tea", name="ann")["messages"], [])
        again = self.post(nodes[1], "tea", b"anew", name="bob")
        self.assertEqual(again["offset"], 1)
        self.assertNotEqual(again["epoch"], epoch)

    def test_welcome_says_where_messages_are(self):
        node, = self.nodes(1)
        self.assertEqual(self.keep(Json(node.port)).welcome["durability"], "redis")

    def test_nodes_have_ids_of_their_own(self):
        nodes = self.nodes()
        welcomes = [self.keep(Json(node.port)).welcome for node in nodes for _ in range(3)]
        self.assertEqual(len({it["node"] for it in welcomes}), 3)
        self.assertEqual(len({it["you"]["id"] for it in welcomes}), 9)
        self.assertEqual(len({it["you"]["name"] for it in welcomes}), 9)


class WaysToRedis(Case):
    def check(self, *urls, flags=()):
        one, other = self.start_nodes(2, *urls, flags=flags)
        plain = self.keep(WebSocket(other.port, "/ws/tea"))
        self.keep(one.http()).json("POST", "/rooms/tea", b"hello")
        self.assertEqual(plain.text(), "hello")

    def test_a_password(self):
        redis = self.start_redis(password="of.redis")
        self.check(redis.url)

    def test_a_user(self):
        redis = self.start_redis("--user", "parlor", "on", ">of.parlor", "resetchannels", "~parlor:*",
                                 "&parlor:*", "+@all")
        self.check("redis://parlor:of.parlor@127.0.0.1:%d" % redis.port)

    def test_a_database(self):
        redis = self.start_redis()
        self.check(redis.url + "/3")
        self.assertEqual(redis.ask("DBSIZE"), 0)
        redis.ask("SELECT", 3)
        self.assertGreater(redis.ask("DBSIZE"), 0)

    def test_tls(self):
        certificate = stores.certificate(self.make_folder("tls"))
        redis = self.start_redis(tls=certificate)
        self.check(redis.url, flags=["--redis-ca", certificate[2]])

    def test_tls_of_somebody_else(self):
        certificate = stores.certificate(self.make_folder("tls"))
        other = stores.certificate(self.make_folder("tls"))
        redis = self.start_redis(tls=certificate)
        node = self.start_node(redis.url, flags=["--redis-ca", other[2]], is_met=False)
        self.assertIn("certificate", node.wait_for_log("Redis").lower())
        self.assertEqual(self.keep(node.http()).ask("POST", "/rooms/tea", b"")[0], 503)

    def test_with_a_directory(self):
        redis = self.start_redis()
        done = self.parlor("--port", "0", "--redis", redis.url, "--data", os.path.join(self.folder, "data"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--redis", done.stderr)
        self.assertIn("--data", done.stderr)

    def test_what_is_no_url(self):
        for url in ("localhost", "http://localhost", "redis://", "redis://localhost:99999", "redis://localhost/x",
                    "redis+sentinel://localhost:26379"):
            with self.subTest(url):
                done = self.parlor("--port", "0", "--redis", url)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("redis", done.stderr)
                self.assertNotIn("panicked", done.stderr)
