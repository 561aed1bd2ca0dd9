"""Those who follow patterns of rooms at one node, and rooms that begin at others."""

import json

from nodes import Case, until
from wire import Events, Json, Lines, Socket, WebSocket, request


class Feed(Events):
    """A stream of several rooms."""

    def __init__(self, port, query, last=None, fields=(), **options):
        Socket.__init__(self, port, **options)
        fields = [*fields, *(["Last-Event-ID: " + last] if last else [])]
        self.send(request("GET", "/events?" + query, fields=fields))
        self.opened()

    def next(self):
        """What comes next of any room: the kind of event, and its data."""
        fields = self.event()
        self.last = fields.get("id", getattr(self, "last", None))
        return fields.get("event", "message"), json.loads(fields["data"])


class Follower:
    """Whoever follows a pattern at the JSON door, or reads a stream; and what they were told of each room."""

    def __init__(self, case, node, pattern, is_json, last=None, fields=(), token=None):
        self.told = {}
        if is_json:
            self._wire = case.keep(Json(node.port, token=token))
            answer = self._wire.ask("join", "ok", room=pattern)
            case.assertEqual(answer["type"], "ok", answer)
        else:
            self._wire = case.keep(Feed(node.port, "room=" + pattern, last, fields))
        self._is_json = is_json

    @property
    def last(self):
        return self._wire.last

    def _next(self):
        if not self._is_json:
            return self._wire.next()
        event = self._wire.event()
        if event["type"] == "ping":
            self._wire.command("pong")
        return event["type"], event

    def hear(self, **rooms):
        """Reads until so many messages of each room have come."""
        while any(len(self.told.get(room, [])) < count for room, count in rooms.items()):
            kind, event = self._next()
            if kind in ("gap", "error", "bye", "too_many_rooms"):
                raise AssertionError(event)
            if kind == "joined":
                told = self.told.setdefault(event["room"], [])
                told += [it["data"] for it in event.get("messages", [])]
            if kind == "message":
                self.told.setdefault(event["room"], []).append(event["data"])


def rooms_of(names, count=1):
    return dict.fromkeys(names, count)


class Patterns(Case):
    def setUp(self):
        super().setUp()
        self.redis = self.start_redis("--appendonly", "yes")

    def at_three(self, *flags):
        flags = ("--ping-interval", "0", "--max-joined", "1000", *flags)
        return self.start_nodes(3, self.redis.url, flags=flags)

    def followers(self, node, pattern, **options):
        return [Follower(self, node, pattern, is_json, **options) for is_json in (True, False)]

    def test_rooms_begin_at_other_nodes_by_every_door(self):
        one, two, three = self.at_three()
        self.post(two, "plant-there", b"before")
        followers = self.followers(one, "plant-*")
        self.post(two, "plant-post", b"first")
        socket = self.keep(WebSocket(three.port, "/ws/plant-plain"))
        socket.say("first")
        person = self.keep(Json(three.port))
        person.ask("publish", "ok", room="plant-json", data="first")
        typist = self.keep(Lines(two.line_port))
        typist.say("/join plant-lines")
        while "in plant-lines" not in typist.line():
            pass
        typist.say("first")
        self.post(one, "plant-own", b"first")
        self.post(two, "tea", b"not theirs")
        names = ["plant-" + name for name in ("post", "plain", "json", "lines", "own")]
        for name in names:
            self.post(three, name, b"second")
        self.post(three, "plant-there", b"after")
        for follower in followers:
            follower.hear(**rooms_of(names, 2), **{"plant-there": 1})
            self.assertEqual(follower.told, {**{name: ["first", "second"] for name in names}, "plant-there": ["after"]})

    def test_hundreds_of_rooms_begin_at_once(self):
        one, two, three = self.at_three()
        follower = Follower(self, one, "plant-*", True)
        other = Follower(self, one, "*-1?", False)
        people = [self.keep(Json(node.port)) for node in (two, three)]
        names = ["plant-%d" % number for number in range(300)]
        for number, name in enumerate(names):
            people[number % 2].command("publish", room=name, data=number)
            people[number % 2].command("publish", room=name, data=-number)
        follower.hear(**rooms_of(names, 2))
        self.assertEqual(follower.told, {name: [number, -number] for number, name in enumerate(names)})
        few = names[10:20]
        other.hear(**rooms_of(few, 2))
        self.assertEqual(other.told, {name: follower.told[name] for name in few})
        # Who comes now finds all that are there.
        late = Follower(self, three, "plant-*", True)
        late.hear(**rooms_of(names, 0))
        until(lambda: late.hear(**{"plant-299": 0}) is None, "it is told")

    def test_who_may_read_some_is_told_of_those(self):
        one, two, _ = self.at_three(*self.secret_flags())
        rights = {"subscribe": ["plant-1", "plant-2*"]}
        followers = [Follower(self, one, "*", True, token=self.token_of("ann", **rights)),
                     Follower(self, one, "*", False, fields=[self.bearer("ann", **rights)])]
        for name in ("tea", "plant-1", "plant-3", "plant-22"):
            self.post(two, name, b"first", name="root")
        for follower in followers:
            follower.hear(**{"plant-1": 1, "plant-22": 1})
            self.assertEqual(follower.told, {"plant-1": ["first"], "plant-22": ["first"]})

    def test_rooms_begin_while_the_node_is_without_redis(self):
        proxy = self.start_proxy(self.redis)
        flags = ("--ping-interval", "0", "--max-joined", "1000")
        away = self.start_node("redis://127.0.0.1:%d" % proxy.port, flags=flags)
        other = self.start_node(self.redis.url, flags=flags)
        followers = self.followers(away, "plant-*")
        self.post(other, "plant-0", b"0")
        for follower in followers:
            follower.hear(**{"plant-0": 1})
        names = []
        for number in range(1, 40):
            if number % 10 == 3:
                proxy.cut(is_reset=number % 20 == 3)
            if number % 10 == 6:
                proxy.cut_after(50)
            if number % 10 == 8:
                proxy.drop_messages(3)
            names.append("plant-%d" % number)
            self.post(other, names[-1], b"%d" % number)
        for follower in followers:
            follower.hear(**rooms_of(names))
            self.assertEqual(follower.told, {"plant-%d" % number: [str(number)] for number in range(40)})

    def test_redis_starts_again(self):
        one, two, three = self.at_three()
        followers = self.followers(one, "plant-*")
        self.post(two, "plant-1", b"first")
        for follower in followers:
            follower.hear(**{"plant-1": 1})
        self.redis.kill()
        until(lambda: self.keep(two.http()).ask("POST", "/rooms/plant-1", b"x")[0] == 503, "Redis is away")
        self.redis.start()
        def is_taken(node, name):
            return self.keep(node.http()).ask("POST", "/rooms/" + name, b"first")[0] == 200
        until(lambda: is_taken(three, "plant-2"), "Redis is back")
        until(lambda: is_taken(two, "plant-3"), "Redis is back")
        for follower in followers:
            follower.hear(**{"plant-2": 1, "plant-3": 1})
            self.assertEqual([follower.told["plant-2"], follower.told["plant-3"]], [["first"]] * 2)

    def test_without_redis_a_pattern_is_refused_for_now(self):
        one = self.start_node(self.redis.url)
        self.redis.kill()
        person = self.keep(Json(one.port))
        refused = until(lambda: self.refusal(person), "a pattern is refused")
        self.assertGreater(refused["retry_ms"], 0)
        self.redis.start()
        until(lambda: not self.refusal(person), "a pattern is taken")

    def refusal(self, person):
        answer = person.ask("join", "ok", room="plant-*")
        self.assertIn(answer.get("code"), ("unavailable", None), answer)
        return answer if answer["type"] == "error" else None

    def test_a_stream_that_comes_back_misses_nothing(self):
        one, two, three = self.at_three()
        reader = Follower(self, one, "plant-*", False)
        self.post(two, "plant-1", b"first")
        self.post(three, "plant-2", b"first")
        reader.hear(**{"plant-1": 1, "plant-2": 1})
        last = reader.last
        reader._wire.close()
        for name in ("plant-1", "plant-2", "plant-new"):
            self.post(three, name, b"missed")
        back = Follower(self, two, "plant-*", False, last=last)
        back.hear(**{"plant-1": 1, "plant-2": 1, "plant-new": 1})
        self.post(one, "plant-1", b"live")
        back.hear(**{"plant-1": 2})
        self.assertEqual(back.told, {"plant-1": ["missed", "live"], "plant-2": ["missed"], "plant-new": ["missed"]})

    def test_a_node_is_upgraded(self):
        one, two, _ = self.at_three()
        follower = Follower(self, one, "plant-*", True)
        for round in range(5):
            self.post(two, "plant-%d-before" % round, b"first")
            one.upgrade()
            self.post(two, "plant-%d-after" % round, b"first")
        names = ["plant-%d-%s" % (round, when) for round in range(5) for when in ("before", "after")]
        follower.hear(**rooms_of(names))
        self.assertEqual(follower.told, {name: ["first"] for name in names})
