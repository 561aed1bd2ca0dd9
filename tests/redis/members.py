"""Who is here, names and direct messages, when people are at different nodes."""

import json
import time

from nodes import Case, until
from wire import Json

# What a node that dies leaves behind is gone after this.
GHOST_SECONDS = 60
ABSENCE_SECONDS = 60


class Company(Case):
    """People at three nodes, `self.nodes`."""

    def start_nodes_at(self, *urls):
        # Who waits for long answers no ping.
        self.nodes = self.start_nodes(3, *urls, flags=("--ping-interval", "0"))

    def person(self, node, name=None, room=None, **options):
        person = self.keep(Json(node.port, **options))
        if name:
            person.welcome = person.ask("login", "welcome", name=name)
            self.assertEqual(person.welcome["type"], "welcome", person.welcome)
        if room:
            self.assertEqual(person.ask("join", "joined", room=room)["type"], "joined")
        return person

    def members(self, node, room):
        status, _, body = self.keep(node.http()).ask("GET", "/rooms/%s/members" % room)
        if status == 503:  # Redis is away
            return None
        answer = json.loads(body)
        return answer["count"], sorted(it["name"] for it in answer["members"])

    def wait_for_members(self, room, names, seconds=GHOST_SECONDS):
        for node in self.nodes:
            told = (len(names), sorted(names))
            until(lambda: self.members(node, room) == told,
                  "%s has %s, and not %s" % (room, names, self.members(node, room)), seconds)

    def presence(self, person, **expected):
        """Goes on until a person has been told of these, who may be told together or one by one."""
        missing = {(change, name) for change, names in expected.items() for name in names}
        deadline = time.monotonic() + GHOST_SECONDS
        while missing:
            self.assertLess(time.monotonic(), deadline, missing)
            event = person.event()
            if event["type"] == "ping":
                person.command("pong")
            if event["type"] == "presence":
                missing -= {(change, it["name"]) for change in ("joined", "left") for it in event[change]}
        return event["count"]


class Members(Company):
    def setUp(self):
        super().setUp()
        self.redis = self.start_redis()
        self.start_nodes_at(self.redis.url)

    def test_everyone_is_counted_once(self):
        watcher = self.person(self.nodes[0], "ann", "tea")
        people = [self.person(node, "%s-%d" % (name, place), "tea") for place, node in enumerate(self.nodes)
                  for name in ("bob", "cem")]
        names = ["%s-%d" % (name, place) for place in range(3) for name in ("bob", "cem")]
        self.assertEqual(self.presence(watcher, joined=names), 7)
        self.wait_for_members("tea", ["ann", *names])
        joined = self.keep(Json(self.nodes[2].port)).ask("join", "joined", room="tea")
        self.assertEqual(joined["count"], 8)
        self.assertLessEqual({"ann", *names}, {it["name"] for it in joined["members"]})
        people[0].close()
        people[3].ask("leave", "ok", room="tea")
        self.presence(watcher, left=[names[0], names[3]])
        self.wait_for_members("mate", [])

    def test_one_person_at_two_nodes_is_one_member(self):
        one = self.person(self.nodes[0], "ann", "tea")
        other = self.keep(Json(self.nodes[1].port))
        welcome = other.ask("login", "welcome", resume=one.welcome["resume"])
        self.assertEqual(welcome["you"], one.welcome["you"])
        other.ask("join", "joined", room="tea")
        self.wait_for_members("tea", ["ann"])
        one.close()
        # She is there still, at another node.
        third = self.person(self.nodes[2], "bob", "tea")
        self.wait_for_members("tea", ["ann", "bob"])
        other.close()
        self.assertEqual(self.presence(third, left=["ann"]), 1)

    def rooms(self, node):
        """The rooms as a command and as a request list them, if these say the same."""
        listed = self.keep(Json(node.port)).ask("rooms", "rooms")
        if listed["type"] == "error":
            self.assertEqual(listed["code"], "unavailable", listed)
            return None
        self.assertFalse(listed["more"])
        asked = json.loads(self.keep(node.http()).ask("GET", "/rooms")[2])["rooms"]
        return [(it["name"], it["count"]) for it in listed["rooms"]] if asked == listed["rooms"] else None

    def wait_for_rooms(self, *rooms, seconds=GHOST_SECONDS):
        for node in self.nodes:
            until(lambda: self.rooms(node) == list(rooms), "%s, and not %s" % (rooms, self.rooms(node)), seconds)

    def test_the_rooms_of_all_nodes_are_listed(self):
        ann = self.person(self.nodes[0], "ann", "tea")
        for room in ("ale", "mate"):
            ann.ask("join", "joined", room=room)
        # One person at two nodes, and someone without a name.
        again = self.keep(Json(self.nodes[1].port))
        again.ask("login", "welcome", resume=ann.welcome["resume"])
        again.ask("join", "joined", room="tea")
        self.keep(Json(self.nodes[2].port)).ask("join", "joined", room="tea")
        self.post(self.nodes[2], "rum", b"hello")
        self.wait_for_rooms(("ale", 1), ("mate", 1), ("rum", 0), ("tea", 2))
        # Those of a node that dies are gone, and who was there.
        self.nodes.pop(0).kill()
        self.wait_for_rooms(("rum", 0), ("tea", 2))
        # A Redis that lost all is told again who is where. What was said is gone, and with it a room where nobody is.
        self.redis.lose_everything()
        self.wait_for_rooms(("tea", 2))

    def test_many_rooms_are_listed_in_their_order(self):
        names = ["room-%03d" % number for number in range(400)]
        for place in range(6):
            person = self.person(self.nodes[place % 3])
            for name in names[place::6]:
                person.command("join", room=name)
            for _ in names[place::6]:
                person.next("joined")
        expected = [{"name": name, "count": 1} for name in names[:300]]
        for node in self.nodes:
            def listed():
                answer = self.keep(Json(node.port)).ask("rooms", "rooms")
                return answer["more"] and answer["rooms"] == expected
            until(listed, "the first rooms are listed")

    def test_nobody_posts_under_a_name_of_another_node(self):
        self.person(self.nodes[0], "ann")
        def post(name, node):
            return self.keep(node.http()).ask("POST", "/rooms/tea?name=%s" % name, b"x")[0]
        for node in self.nodes:
            self.assertEqual([post(name, node) for name in ("ann", "ANN", "bob")], [409, 409, 200])

    def test_a_name_is_that_of_one_person(self):
        one = self.person(self.nodes[0], "ann")
        for node in self.nodes[1:]:
            for name in ("ann", "ANN", "аnn"):
                error = self.keep(Json(node.port)).ask("login", "welcome", name=name)
                self.assertIn(error.get("code"), ("name_taken", "bad_name"), name)
        one.ask("login", "welcome", name="eve")
        self.assertEqual(self.keep(Json(self.nodes[1].port)).ask("login", "welcome", name="eve")["code"], "name_taken")

    def test_two_ask_for_a_name_at_once(self):
        for number in range(10):
            people = [self.keep(Json(node.port)) for node in self.nodes]
            for person in people:
                person.command("login", name="the one %d" % number)
            answers = [person.next("welcome", "error")["type"] for person in people]
            self.assertEqual(sorted(answers), ["error", "error", "welcome"])

    def test_a_name_is_kept_for_its_person(self):
        one = self.person(self.nodes[0], "ann")
        one.close()
        error = self.keep(Json(self.nodes[1].port)).ask("login", "welcome", name="ann")
        self.assertEqual(error.get("code"), "name_taken")
        back = self.keep(Json(self.nodes[2].port)).ask("login", "welcome", resume=one.welcome["resume"])
        self.assertEqual(back["you"], one.welcome["you"])

    def test_direct_messages(self):
        ann, bob = self.person(self.nodes[0], "ann"), self.person(self.nodes[1], "bob")
        other = self.keep(Json(self.nodes[2].port))
        other.ask("login", "welcome", resume=bob.welcome["resume"])
        # Redis has been told where bob is once it has answered this.
        other.ask("members", "members", room="tea")
        for number in range(20):
            ann.command("direct", to="bob", data=number, id=number)
        for person in (bob, other, ann):
            told = [person.next("direct", "ok") for _ in range(40 if person is ann else 20)]
            told = [it for it in told if it["type"] == "direct"]
            self.assertEqual([it["data"] for it in told], list(range(20)))
            self.assertEqual({it["from"]["name"] for it in told}, {"ann"})
        self.assertEqual(ann.ask("direct", "ok", to="nobody", data="x")["code"], "no_such_user")

    def test_a_person_is_closed_wherever_they_are(self):
        flags = self.secret_flags()
        redis = self.start_redis()
        one, other = self.start_nodes(2, redis.url, flags=flags)
        person = self.keep(Json(other.port, token=self.token_of("ann")))
        status, _, answer = self.keep(one.http()).ask("DELETE", "/people/ann", fields=[self.bearer("eve", admin=True)])
        self.assertEqual(status, 204, answer)
        while (event := person.receive())[0] != 8:
            pass
        self.assertEqual(event[0], 8)

    def test_a_node_dies_and_leaves_no_ghosts(self):
        watcher = self.person(self.nodes[0], "ann", "tea")
        self.person(self.nodes[2], "bob", "tea")
        for room in ("tea", "mate"):
            self.person(self.nodes[1], "gone " + room, room)
        self.assertEqual(self.presence(watcher, joined=["bob", "gone tea"]), 3)
        began = time.monotonic()
        self.nodes.pop(1).process.kill()
        watcher.raw.settimeout(GHOST_SECONDS)
        self.assertEqual(self.presence(watcher, left=["gone tea"]), 2)
        left = GHOST_SECONDS - (time.monotonic() - began)
        self.wait_for_members("tea", ["ann", "bob"], left)
        self.wait_for_members("mate", [], left)
        error = watcher.ask("direct", "ok", to="gone mate", data="x")
        self.assertEqual(error.get("code"), "no_such_user")
        # Whoever is gone may come back by the secret for a minute, as after any other end of a connection.
        for name in ("gone tea", "gone mate"):
            until(lambda: self.has_name(name), "the name %s is free" % name,
                  GHOST_SECONDS + ABSENCE_SECONDS - (time.monotonic() - began))

    def has_name(self, name):
        return self.keep(Json(self.nodes[0].port)).ask("login", "welcome", name=name)["type"] == "welcome"

    def test_nobody_is_gone_because_redis_was(self):
        watcher = self.person(self.nodes[0], "ann", "tea")
        self.person(self.nodes[1], "bob", "tea")
        self.presence(watcher, joined=["bob"])
        self.redis.lose_everything()
        # Each node says again who is there.
        self.wait_for_members("tea", ["ann", "bob"])
        error = self.keep(Json(self.nodes[2].port)).ask("login", "welcome", name="bob")
        self.assertEqual(error.get("code"), "name_taken")
        self.person(self.nodes[2], "cem", "tea")
        self.presence(watcher, joined=["cem"])

    def test_the_first_at_a_node_is_told_who_is_at_others(self):
        ann = self.person(self.nodes[0], "ann", "tea")
        # In a room in which something was published, and in one in which nothing was.
        ann.ask("join", "joined", room="mate")
        self.post(self.nodes[0], "mate", b"hello")
        for room in ("tea", "mate"):
            until(lambda: self.members(self.nodes[2], room) == (1, ["ann"]), "ann is in %s" % room)
            bob = self.person(self.nodes[1], "bob " + room)
            joined = bob.ask("join", "joined", room=room)
            self.assertEqual((joined["count"], sorted(it["name"] for it in joined["members"])),
                             (2, ["ann", "bob " + room]))
            self.assertEqual(self.presence(ann, joined=["bob " + room]), 2)
            until(lambda: self.members(self.nodes[2], room)[0] == 2, "both are in %s" % room)
            bob.ask("leave", "ok", room=room)
            until(lambda: self.members(self.nodes[1], room) == (1, ["ann"]), "ann alone is in %s" % room)
        ann.ask("leave", "ok", room="tea")
        self.wait_for_members("tea", [])

    def test_an_upgrade_keeps_everyone(self):
        watcher = self.person(self.nodes[0], "ann", "tea")
        bob, eve = [self.person(self.nodes[1], name, "tea") for name in ("bob", "eve")]
        self.presence(watcher, joined=["bob", "eve"])
        for node in self.nodes:
            node.upgrade()
            # Nobody is doubled, or lost for a moment.
            for other in self.nodes:
                self.assertEqual(self.members(other, "tea"), (3, ["ann", "bob", "eve"]))
        self.wait_for_members("tea", ["ann", "bob", "eve"])
        # As soon as the new processes are connected to Redis.
        until(lambda: watcher.ask("direct", "direct", to="bob", data="still here")["type"] == "direct", "bob is found")
        self.assertEqual(bob.next("direct")["data"], "still here")
        error = self.keep(Json(self.nodes[2].port)).ask("login", "welcome", name="bob")
        self.assertEqual(error.get("code"), "name_taken")
        # Who goes is not kept as what the process before has told.
        bob.ask("leave", "ok", room="tea")
        self.assertEqual(self.presence(watcher, left=["bob"]), 2)
        self.assertEqual(self.presence(eve, left=["bob"]), 2)
        eve.ask("login", "welcome", name="zoe")
        until(lambda: self.has_name("eve"), "the name eve is free", 5)
