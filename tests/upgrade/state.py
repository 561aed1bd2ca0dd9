"""What a server knows is known to the next process: rooms, people, rights, limits, what is kept, settings."""

import contextlib
import json
import os
import re
import socket

from harness import NO_LIMITS, Audience, Case
from wire import Events, Http, Json, WebSocket, request


class Memory(Case):
    """What is in memory."""

    def test_rooms_and_people(self):
        server = self.serve(*NO_LIMITS)
        http = self.keep(Http(server.port))
        ana, bob = self.keep(Json(server.port)), self.keep(Json(server.port))
        ana.ask("login", "welcome", name="ana")
        bob.ask("login", "welcome", name="bob")
        known = ana.ask("login", "welcome", name="Ana Lú")
        for number in range(30):
            for query, body in (("", "text %d" % number), ("?key=k%d&retain" % (number % 3), "%d" % number),
                                ("?key=e%d" % (number % 2), "e%d" % number)):
                http.json("POST", "/rooms/tea" + query, body.encode())
        http.json("POST", "/rooms/tea", b"\0\xff", ["Content-Type: application/octet-stream"])
        http.json("POST", "/rooms/tea", b'{"a": [1.5, null]}', ["Content-Type: application/json"])
        places = {one: one.ask("join", "joined", room="tea", last=5) for one in (ana, bob)}
        first = places[ana]
        asked = ["/rooms", "/rooms/tea/messages?limit=300", "/rooms/tea/messages?before=20&limit=7",
                 "/rooms/tea/members", "/usage", "/usage?address=127.0.0.1"]
        before = [http.json("GET", path) for path in asked]
        retained = self.retained(server)
        for _ in range(2):
            server.upgrade()
            self.assertEqual([http.json("GET", path) for path in asked], before)
            self.assertEqual(self.retained(server), retained)
        # Whoever comes back finds their place, and themselves.
        back = self.keep(Json(server.port))
        self.assertEqual(back.ask("login", "welcome", resume=known["resume"])["you"], known["you"])
        since = {"epoch": first["epoch"], "offset": 40}
        joined = back.ask("join", "joined", room="tea", since=since)
        self.assertEqual(joined["recovered"], True)
        self.assertEqual([it["offset"] for it in joined["messages"]], list(range(41, 93)))
        stream = self.keep(Events(server.port, "tea", last="%s-40" % first["epoch"]))
        self.assertEqual(json.loads(stream.event()["data"])["recovered"], True)
        self.assertEqual([stream.event()["id"].rsplit("-")[-1] for _ in range(52)], [str(it) for it in range(41, 93)])
        # Names are held, and no id is given twice.
        self.assertEqual(self.keep(Json(server.port)).ask("login", "welcome", name="bob")["code"], "name_taken")
        self.assertEqual(http.ask("POST", "/rooms/tea?name=bob", b"x")[0], 409)
        new = self.keep(Json(server.port)).welcome["you"]["id"]
        self.assertNotIn(new, {one.welcome["you"]["id"] for one in (ana, bob, back)})
        # Direct messages arrive.
        bob.command("direct", to="Ana Lú", data="psst", id=1)
        for one in (ana, back, bob):
            self.assertEqual(one.next("direct")["data"], "psst")

    def retained(self, server):
        with contextlib.closing(Json(server.port)) as one:
            return one.ask("join", "joined", room="tea")["retained"]

    def test_names_of_those_who_left_a_moment_ago(self):
        server = self.serve(*NO_LIMITS)
        one = Json(server.port)
        known = one.ask("login", "welcome", name="ana")
        one.close()
        self.keep(Json(server.port)).ask("ping", "pong")
        server.upgrade()
        other = self.keep(Json(server.port))
        self.assertEqual(other.ask("login", "welcome", name="ana")["code"], "name_taken")
        self.assertEqual(other.ask("login", "welcome", resume=known["resume"])["you"]["name"], "ana")

    def test_presence_is_told_once(self):
        server = self.serve(*NO_LIMITS)
        one = self.keep(Json(server.port))
        one.ask("login", "welcome", name="ana")
        one.ask("join", "joined", room="tea")
        comes, goes = Json(server.port), Json(server.port)
        for name, other in (("bob", comes), ("cem", goes)):
            other.ask("login", "welcome", name=name)
            other.ask("join", "joined", room="tea")
        server.upgrade()
        goes.close()
        names, left = [], []
        while "cem" not in left:
            event = one.event()
            self.assertEqual(event["type"], "presence")
            names += [it["name"] for it in event["joined"]]
            left += [it["name"] for it in event["left"]]
        comes.close()
        while "bob" not in left:
            left += [it["name"] for it in one.event()["left"]]
        # Who has come and gone within the time for which changes are collected is not told of.
        self.assertEqual((names.count("bob"), left.count("bob"), left.count("cem")), (1, 1, 1))

    def test_ids_of_messages(self):
        server = self.serve(*NO_LIMITS)
        http, one = self.keep(Http(server.port)), self.keep(Json(server.port))
        publish = lambda: one.ask("publish", "ok", room="tea", data="x", dedup="d1", id=1)["offset"]
        post = lambda: http.json("POST", "/rooms/tea?dedup=d1", b"y")["offset"]
        offsets = publish(), post()
        server.upgrade()
        self.assertEqual((publish(), post()), offsets)
        self.assertEqual(len(http.json("GET", "/rooms/tea/messages")["messages"]), 2)

    def test_counters_and_gauges(self):
        server = self.serve(*NO_LIMITS, "--max-queue", "30000000")
        audience = Audience(server, "tea")
        audience.check()
        slow = self.keep(WebSocket(server.port, "/ws/mate", receive_buffer=4096))
        for _ in range(100):
            audience.http.json("POST", "/rooms/mate", b"x" * 60_000)
        before = server.metrics()
        server.upgrade()
        after = server.metrics()
        back = {name: (value, after.get(name)) for name, value in before.items()
                if "_total" in name and after.get(name, -1) < value}
        self.assertEqual(back, {})
        # But for the connections that ask, and what the kernel has taken.
        for name in before:
            if re.match(r"parlor_(connections\{|members|rooms|people|history_bytes|lagging|files)", name):
                self.assertEqual(after[name], before[name], name)
        self.assertAlmostEqual(after["parlor_inflight_bytes"], before["parlor_inflight_bytes"], delta=300_000)
        self.assertGreaterEqual(after["parlor_uptime_seconds"], before["parlor_uptime_seconds"])
        slow.close()
        audience.check()

    def test_who_was_too_fast_is_still(self):
        server = self.serve("--rate", "1")
        one, http = self.keep(Json(server.port)), self.keep(Http(server.port))
        # An answer of 256 KiB counts as 64 commands, which is a minute, of which half is asked for.
        for _ in range(12):
            self.assertEqual(http.ask("POST", "/rooms/tea", b"x" * 30_000)[0], 200)
        self.assertEqual(one.ask("history", "history", room="tea", limit=300)["type"], "history")
        before = one.ask("ping", "pong")
        self.assertEqual(before["code"], "rate_limited")
        server.upgrade()
        after = one.ask("ping", "pong")
        self.assertEqual(after["code"], "rate_limited", after)
        self.assertLess(after["retry_ms"], before["retry_ms"])
        self.assertGreater(after["retry_ms"], 1000)


class Rights(Case):
    def setUp(self):
        super().setUp()
        self.secret = self.write("secret", "s" * 40)

    def test_of_a_token(self):
        server = self.serve("--secret-file", self.secret)
        token = self.token(self.secret, "--sub", "ana", "--subscribe", "tea", "--publish", "tea", "--ttl", "1h")
        one = self.keep(Json(server.port, token=token))
        one.ask("join", "joined", room="tea")
        reader = self.keep(WebSocket(server.port, "/ws/tea", token=self.token(
            self.secret, "--sub", "bob", "--subscribe", "tea", "--ttl", "1h")))
        unknown = self.keep(Json(server.port))
        self.assertEqual(unknown.welcome["code"], "token_needed")
        server.upgrade()
        self.assertEqual(one.ask("publish", "ok", room="tea", data="hi", id=1)["type"], "ok")
        self.assertEqual(one.hear(), "hi")
        self.assertEqual(reader.text(), "hi")
        for kind, more in (("join", {}), ("publish", {"data": "x"}), ("empty", {})):
            self.assertEqual(one.ask(kind, "ok", room="mate", id=2, **more)["code"], "not_allowed")
        reader.say("may not")
        self.assertEqual(reader.closing(), (1008, "not allowed to speak here"))
        self.assertEqual(unknown.ask("join", "joined", room="tea")["code"], "token_needed")
        self.assertEqual(unknown.ask("login", "welcome", token=token)["you"]["name"], "ana")
        # An admin can close those who were here before.
        admin = self.token(self.secret, "--sub", "root", "--admin", "--ttl", "1h")
        http = self.keep(Http(server.port))
        self.assertEqual(http.ask("DELETE", "/people/ana", b"", ["Authorization: Bearer " + admin])[0], 204)
        for last in (one, unknown):
            self.assertEqual(last.next("bye")["reason"], "closed by an admin")

    def test_bans(self):
        server = self.serve("--secret-file", self.secret)
        token = self.token(self.secret, "--sub", "mallory", "--subscribe", "*", "--publish", "*", "--ttl", "1h")
        admin = self.token(self.secret, "--sub", "root", "--admin", "--ttl", "1h")
        govern = lambda method, target, body=b"": self.keep(Http(server.port)).ask(
            method, target, body, ["Authorization: Bearer " + admin])[0]
        mallory = self.keep(Json(server.port, token=token))
        self.assertEqual(govern("PUT", "/bans", b'{"name":"mallory","room":"tea","reason":"spam"}'), 200)
        server.upgrade()
        self.assertEqual(mallory.ask("join", "joined", room="tea", id=1)["ban"], {"room": "tea", "reason": "spam"})
        self.assertEqual(govern("DELETE", "/bans?name=mallory&room=tea"), 204)
        self.assertEqual(mallory.ask("join", "joined", room="tea", id=2)["type"], "joined")

    def test_that_end(self):
        server = self.serve("--secret-file", self.secret, "--login-timeout", "2.5")
        token = self.token(self.secret, "--sub", "ana", "--subscribe", "*", "--publish", "*", "--ttl", "3s")
        one, unknown = self.keep(Json(server.port, token=token)), self.keep(Json(server.port))
        plain = self.keep(WebSocket(server.port, "/ws/tea", token=token))
        server.upgrade()
        self.assertEqual(plain.closing(), (1008, "token expired"))
        self.assertEqual(one.next("bye")["reason"], "token expired")
        self.assertEqual(unknown.next("bye")["reason"], "no token in time")

    def test_of_bad_tokens(self):
        # No limit per address holds for this machine itself.
        server = self.serve("--secret-file", self.secret, "--max-failed-tokens", "3", "--trusted-proxy", "127.0.0.1")
        token = self.token(self.secret, "--sub", "ana", "--subscribe", "*", "--ttl", "1h")
        http = self.keep(Http(server.port))
        ask = lambda one: http.ask("GET", "/rooms/tea/messages", b"",
                                   ["Authorization: Bearer " + one, "X-Forwarded-For: 203.0.113.7"])[0]
        while (status := ask(token + "x")) != 429:
            self.assertEqual(status, 401)
        server.upgrade()
        self.assertEqual(ask(token), 429)

    def test_of_keys_that_are_changed(self):
        server = self.serve("--secret-file", self.secret)
        old = self.token(self.secret, "--sub", "ana", "--subscribe", "*", "--ttl", "1h")
        one = self.keep(Json(server.port, token=old))
        self.write("secret", "t" * 40)
        server.upgrade()
        # As after SIGHUP: who is here stays, and who comes needs the new secret.
        self.assertEqual(one.ask("join", "joined", room="tea")["type"], "joined")
        new = self.token(self.secret, "--sub", "ana", "--subscribe", "*", "--ttl", "1h")
        asked = [self.keep(Http(server.port)).ask("GET", "/rooms/tea/messages", b"", ["Authorization: Bearer " + it])[0]
                 for it in (old, new)]
        self.assertEqual(asked, [401, 200])

    def test_of_clients_of_a_proxy(self):
        server = self.serve("--trusted-proxy", "127.0.0.1", "--max-per-address", "2")
        forwarded = lambda number: ["X-Forwarded-For: 203.0.113.%d" % number]
        for _ in range(2):
            one = self.keep(Http(server.port))
            one.send(request("GET", "/rooms/tea/events", fields=forwarded(7))).until(b"joined")
        kept = self.keep(Http(server.port))
        self.assertEqual(kept.ask("POST", "/rooms/mate", b"x", forwarded(8))[0], 200)
        server.upgrade()
        refused = self.keep(Http(server.port)).send(request("GET", "/rooms/tea/events", fields=forwarded(7)))
        self.assertIn(b"too many connections from your address", refused.rest())
        self.assertEqual(kept.ask("GET", "/rooms", b"", forwarded(8))[0], 403)
        usage = self.keep(Http(server.port)).json("GET", "/usage?address=203.0.113.8")
        self.assertIn("mate", json.dumps(usage))


class Kept(Case):
    """What is on disk."""

    def rooms(self, server):
        with contextlib.closing(Http(server.port)) as http:
            return {name: http.json("GET", "/rooms/%s/messages?limit=300" % name) for name in ("tea", "mate", "old")}

    def check(self, *flags):
        first = self.serve("--data", self.data, *flags)
        self.keep(Http(first.port)).json("POST", "/rooms/old", b"before")
        known = Json(first.port).ask("login", "welcome", name="ana")
        self.end(first)
        server = self.serve("--data", self.data, *NO_LIMITS, *flags)
        audience = Audience(server, "tea")
        href = audience.http.json("PUT", "/rooms/mate/files/a.txt", b"content")["data"]["file"]["href"]
        one = self.keep(Json(server.port))
        self.assertEqual(one.ask("login", "welcome", resume=known["resume"])["you"], known["you"])
        one.ask("publish", "ok", room="mate", data="21", key="k", retain=True, id=1)
        told = self.rooms(server)
        for _ in range(3):
            audience.check()
            publish = lambda: one.ask("publish", "ok", room="mate", data="once", dedup="d", id=1)["offset"]
            offset = publish()
            epochs = {name: room["epoch"] for name, room in told.items()}
            server.upgrade()
            told = self.rooms(server)
            self.assertEqual({name: room["epoch"] for name, room in told.items()}, epochs)
            self.assertEqual(publish(), offset)
            with open(os.path.join(self.data, "lock"), encoding="utf-8") as lock:
                self.assertEqual(lock.read().strip(), str(server.pid))
            second = self.parlor("--port", "0", "--bind", "127.0.0.1", "--data", self.data)
            self.assertEqual((second.returncode, second.stdout), (1, ""))
            self.assertIn(str(server.pid), second.stderr)
            self.assertEqual(audience.http.ask("GET", href)[2], b"content")
        audience.check()
        told = self.rooms(server)
        self.assertEqual([it["offset"] for it in told["tea"]["messages"]], list(range(1, 5)))
        self.assertEqual([it.get("key") for it in told["mate"]["messages"]], [None, "k", None])
        found = [it["offset"] for it in audience.http.json("GET", "/rooms/tea/search?q=says")["messages"]]
        self.assertEqual(found, list(range(1, 5)))
        self.end(server)
        again = self.serve("--data", self.data, *flags)
        self.assertEqual(self.rooms(again), told)
        self.assertEqual(self.keep(Http(again.port)).ask("GET", href)[2], b"content")
        back = self.keep(Json(again.port))
        self.assertEqual(back.ask("login", "welcome", resume=known["resume"])["you"], known["you"])

    def test_once_it_is_on_the_disk(self):
        self.check()

    def test_behind(self):
        self.check("--durability", "memory")

    def test_by_a_process_that_dies_after_an_upgrade(self):
        server = self.serve("--data", self.data)
        http = self.keep(Http(server.port))
        epoch = http.json("POST", "/rooms/tea", b"one")["epoch"]
        server.upgrade()
        self.assertEqual(http.json("POST", "/rooms/tea", b"two")["offset"], 2)
        os.kill(server.pid, 9)
        os.waitpid(server.pid, 0)
        again = self.serve("--data", self.data)
        told = self.keep(Http(again.port)).json("GET", "/rooms/tea/messages")
        self.assertEqual((told["epoch"], [it["data"] for it in told["messages"]]), (epoch, ["one", "two"]))


class Settings(Case):
    def test_that_are_changed_between(self):
        config = self.write("config", "max-message = 1000\nhistory = 5\nping-interval = 20\nmax-rooms = 100\n")
        server = self.serve("--config", config)
        one, person = self.keep(WebSocket(server.port, "/ws/tea")), self.keep(Json(server.port))
        http = self.keep(Http(server.port))
        for number in range(9):
            http.json("POST", "/rooms/tea", b"%d" % number)
            self.assertEqual(one.text(), str(number))
        self.write("config", "max-message = 2000\nhistory = 3\nping-interval = 30\nline-port = 1\n")
        server.upgrade()
        one.say("x" * 1500)
        self.assertEqual(one.text(), "x" * 1500)
        self.assertEqual(person.ask("publish", "ok", room="tea", data="y" * 1500, id=1)["type"], "ok")
        self.assertEqual(one.text(), "y" * 1500)
        new = self.keep(Json(server.port))
        self.assertEqual((new.welcome["limits"]["message"], new.welcome["ping_ms"]), (2000, 20_000))
        self.assertEqual(len(http.json("GET", "/rooms/tea/messages")["messages"]), 3)
        server.wait_for_log("ping-interval")
        # The line port stays where it is.
        with socket.create_connection(("127.0.0.1", server.line_port), timeout=20) as typist:
            self.assertTrue(typist.recv(1))
        one.say("x" * 2001)
        self.assertEqual(one.receive()[1][:2], (1009).to_bytes(2, "big"))

    def test_a_place_for_data_stays(self):
        config = self.write("config", "")
        server = self.serve("--config", config)
        audience = Audience(server, "tea")
        self.write("config", "data = %s\n" % json.dumps(self.data))
        server.upgrade()
        audience.check()
        self.assertFalse(os.path.exists(self.data))
        server.wait_for_log("data")

    def test_push_is_turned_on_with_the_subscriptions_that_are_kept(self):
        push = 'push-contact = "mailto:ops@example.org"\n'
        config = self.write("config", push)
        server = self.serve("--data", self.data, "--config", config)
        keys = {"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg"}
        wanted = {"endpoint": "https://push.invalid/device", "keys": keys, "rooms": ["*"], "kinds": ["alarm"]}
        http = self.keep(Http(server.port))
        self.assertEqual(http.ask("PUT", "/push/subscriptions/0123456789abcdef0123", json.dumps(wanted).encode())[0], 204)
        key = http.json("GET", "/push/key")
        server.process.terminate()
        server.wait_for_end()
        self.write("config", "")
        server = self.serve("--data", self.data, "--config", config)
        http = self.keep(Http(server.port))
        self.assertEqual(http.ask("GET", "/push/key")[0], 404)
        self.write("config", push)
        for _ in range(2):
            server.upgrade()
            self.assertEqual(http.json("GET", "/push/key"), key)
            self.assertEqual(server.metrics()["parlor_push_subscriptions"], 1)
        self.assertNotRegex(server.log(), r"WARN|ERROR")

    def test_nothing_is_said_of_settings_that_are_the_same(self):
        server = self.serve()
        server.upgrade()
        self.assertNotRegex(server.log(), r"WARN|ERROR")

    def test_the_command(self):
        server = self.serve("--data", self.data)
        audience = Audience(server, "tea")
        for arguments in (["--data", self.data], ["--pid", "%d"]):
            old = server.pid
            done = self.parlor("upgrade", *(it % old if "%d" in it else it for it in arguments))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(str(old), done.stdout)
            server.wait_for_end()
            server.pid = server.started()[-1]
            audience.check()
        self.end(server)
        done = self.parlor("upgrade", "--data", self.data)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no server", done.stderr)
        done = self.parlor("upgrade")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--data, or its process with --pid", done.stderr)
