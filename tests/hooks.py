#!/usr/bin/env python3
"""Webhooks from outside: receivers that check the signature by themselves, are slow, fail, lie, redirect and are gone; and a
server that is killed while one fails half of the time. Of that a table is printed.

usage: hooks.py [KILLS]   6, unless told otherwise
"""

import base64
import collections
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import random
import re
import signal
import ssl
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import parlor

SECONDS = 30
KILLS = 6
OLD, NEW = (b"o" * 32, b"n" * 32)


def written(secret):
    return "whsec_" + base64.b64encode(secret).decode()


class Receiver:
    """An HTTP server that keeps what it is told. `answer` gives the status of each request, and header fields; it may wait."""

    def __init__(self, answer=lambda body: 204, context=None):
        self.heard = []
        self.answer = answer
        self.grown = threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver.answer(json.loads(body))
                status, fields = answer if isinstance(answer, tuple) else (answer, {})
                with receiver.grown:
                    receiver.heard.append(Heard(self.headers, body, status))
                    receiver.grown.notify_all()
                with contextlib.suppress(OSError):
                    self.send_response(abs(status))
                    for name, value in fields.items():
                        self.send_header(name, value)
                    if abs(status) != 204:
                        self.send_header("content-length", "0")
                    self.end_headers()

            def do_GET(self):
                raise AssertionError("nobody is to GET")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # A server that was killed.
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "%s://localhost:%d/hook" % ("https" if context else "http", self.server.server_port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self, what, found, seconds=SECONDS):
        """Waits until something holds of all that was heard."""
        with self.grown:
            if not self.grown.wait_for(lambda: found(self.heard), seconds):
                last = [(one.status, one.raw[:200]) for one in self.heard[-5:]]
                raise AssertionError("%s: not in %d requests, the last of which are %s" % (what, len(self.heard), last))
            return found(self.heard)

    def wait_for_event(self, kind, **fields):
        def found(heard):
            events = (event for one in heard if one.status == 204 for event in one.events())
            return next((event for event in events
                         if event["type"] == kind and fields.items() <= event.items()), None)
        return self.wait("%s %s" % (kind, fields), found)


class Heard:
    def __init__(self, headers, body, status):
        self.id, self.timestamp, self.signature = (
            headers["webhook-" + name] for name in ("id", "timestamp", "signature"))
        self.type = headers["content-type"]
        self.raw = body
        self.body = json.loads(body)
        self.status = status

    def events(self):
        return self.body["data"].get("events", [])

    def is_signed_by(self, *secrets):
        """As the specification says it, with nothing of parlor."""
        content = ("%s.%s." % (self.id, self.timestamp)).encode() + self.raw
        sign = lambda secret: "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
        return self.signature == " ".join(map(sign, secrets))


class Hooks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.secret = self.file("old.txt", written(OLD))

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        return path

    def receiver(self, *arguments, **named):
        receiver = Receiver(*arguments, **named)
        self.addCleanup(receiver.close)
        return receiver

    def serving(self, *flags, allow=True):
        flags = ["--bind", "127.0.0.1", *flags]
        if allow:
            flags += ["--webhook-allow", "127.0.0.0/8", "--webhook-allow", "::1"]
        server = parlor.serving(*flags)
        self.addCleanup(server.__exit__, None, None, None)
        return server.__enter__()

    def hook(self, receiver, *flags, **named):
        return self.serving("--webhook", receiver.url, "--webhook-secret-file", self.secret, *flags, **named)

    def test_what_happens_is_told_and_signed(self):
        receiver = self.receiver()
        server = self.hook(receiver)
        snapshot = receiver.wait("snapshot", lambda heard: heard and heard[0])
        self.assertEqual((snapshot.body["type"], snapshot.body["data"]["rooms"]), ("snapshot", []))
        post(server, "tea", "hello")
        said = receiver.wait_for_event("message", data="hello")
        self.assertEqual((said["room"], said["offset"]), ("tea", 1))
        post(server, "plant?key=boiler.temp&retain", "21.5")
        self.assertEqual(receiver.wait_for_event("message", key="boiler.temp")["data"], 21.5)
        with stream(server, "tea"):
            receiver.wait_for_event("occupied")
            joined = receiver.wait_for_event("joined")
        left = receiver.wait_for_event("left")
        self.assertEqual(joined["person"], left["person"])
        receiver.wait_for_event("vacated")
        of_tea = [one.body["data"] for one in receiver.heard if one.body["data"].get("room") == "tea"]
        self.assertEqual([data["number"] for data in of_tea], list(range(1, len(of_tea) + 1)))
        self.assertEqual(len({data["stream"] for data in of_tea}), 1)
        self.assertEqual(of_tea[-1]["state"], {"count": 0, "people": []})
        for one in receiver.heard:
            self.assertEqual(one.type, "application/json")
            self.assertTrue(one.is_signed_by(OLD), one.signature)
            self.assertFalse(one.is_signed_by(NEW))
            self.assertLess(abs(int(one.timestamp) - time.time()), 60)
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % server.port, timeout=SECONDS) as response:
            metrics = response.read().decode()
        self.assertIn('parlor_webhook_delivered_total{webhook="1"}', metrics)
        self.assertIn('parlor_webhook_off{webhook="1"} 0', metrics)

    def test_only_what_the_file_wants_is_told(self):
        alarms, people = self.receiver(), self.receiver()
        config = self.file("parlor.toml", """
webhook-allow = ["127.0.0.1", "::1"]
[[webhooks]]
url = "%s"
secret-file = "%s"
rooms = ["plant-*"]
events = ["alarm"]
[[webhooks]]
url = "%s"
secret-file = ["%s", "%s"]
events = ["joined", "vacated"]
""" % (alarms.url, self.secret, people.url, self.file("new.txt", written(NEW)), self.secret))
        server = self.serving("--config", config, allow=False)
        post(server, "plant-1", "no alarm")
        post(server, "tea?key=alarm.fire&retain", '{"alarm":"raised","text":"fire"}', json=True)
        with stream(server, "plant-1"):
            people.wait_for_event("joined")
            post(server, "plant-1?key=alarm.pump&retain", '{"alarm":"raised","text":"hot"}', json=True)
        people.wait_for_event("vacated")
        alarm = alarms.wait_for_event("message", key="alarm.pump")
        self.assertEqual(alarm["data"]["text"], "hot")
        events = lambda receiver: {event["type"] for one in receiver.heard for event in one.events()}
        self.assertEqual((events(alarms), events(people)), ({"message"}, {"joined", "vacated"}))
        self.assertEqual([event["key"] for one in alarms.heard for event in one.events()], ["alarm.pump"])
        self.assertTrue(all(one.is_signed_by(NEW, OLD) for one in people.heard), "by each secret")

    def escalating(self, first, second, *flags):
        """A server that escalates alarms of the plant from `first` to `second`, a second apart."""
        hook = """
[[webhooks]]
url = "%s"
secret-file = "%s"
events = ["escalated"]
"""
        config = self.file("parlor.toml", """
webhook-allow = ["127.0.0.1", "::1"]
%s
[[escalations]]
rooms = ["plant-*"]
severity = "critical"
after = 1
repeat = 1
steps = ["webhook:%s", "webhook:%s"]
""" % ("".join(hook % (it.url, self.secret) for it in (first, second)), first.url, second.url))
        return self.serving("--config", config, *flags, allow=False)

    def escalations(self, receiver):
        return [event for one in receiver.heard for event in one.events() if event["type"] == "escalated"]

    def test_what_nobody_acknowledges_is_told_to_the_next(self):
        first, second = self.receiver(), self.receiver()
        server = self.escalating(first, second)
        post(server, "tea?key=alarm.fire&retain", '{"alarm":"raised","severity":"critical"}', json=True)
        post(server, "plant-1?key=alarm.door&retain", '{"alarm":"raised","severity":"warning"}', json=True)
        raised = {"alarm": "raised", "text": "too hot", "severity": "critical"}
        offset = post(server, "plant-1?key=alarm.pump&retain", json.dumps(raised), json=True)["offset"]
        told = first.wait_for_event("escalated", key="alarm.pump")
        self.assertEqual({name: told[name] for name in ("offset", "step", "steps", "repeat")},
                         {"offset": offset, "step": 1, "steps": 2, "repeat": 0})
        self.assertLessEqual(raised.items(), told["alarm"].items())
        second.wait_for_event("escalated", key="alarm.pump", step=2, repeat=0)
        again = second.wait_for_event("escalated", key="alarm.pump", step=2, repeat=2)
        self.assertEqual(again["alarm"], told["alarm"])
        acknowledged = {"alarm": "acknowledged", "by": "ana"}
        post(server, "plant-1?key=alarm.pump&retain", json.dumps(acknowledged), json=True)
        count = len(self.escalations(second))
        # Another one is told after that, twice: nothing of the first is.
        post(server, "plant-1?key=alarm.fan&retain", json.dumps(raised), json=True)
        second.wait_for_event("escalated", key="alarm.fan", repeat=1)
        of_pump = [it for it in self.escalations(second)[count + 1:] if it["key"] == "alarm.pump"]
        self.assertEqual(of_pump, [])
        self.assertEqual([it["key"] for it in self.escalations(first)], ["alarm.pump", "alarm.fan"])
        self.assertTrue(all(one.is_signed_by(OLD) for one in first.heard + second.heard))

    def test_an_escalation_goes_on_after_a_restart(self):
        first, second = self.receiver(), self.receiver()
        data = "--data", os.path.join(self.folder, "data")
        server = self.escalating(first, second, *data)
        raised = '{"alarm":"raised","text":"too hot","severity":"critical"}'
        post(server, "plant-1?key=alarm.pump&retain", raised, json=True)
        post(server, "plant-1?key=alarm.fan&retain", raised, json=True)
        second.wait_for_event("escalated", key="alarm.fan", step=2)
        post(server, "plant-1?key=alarm.fan&retain", '{"alarm":"acknowledged"}', json=True)
        server.kill()
        first.heard.clear()
        second.heard.clear()
        self.escalating(first, second, *data)
        first.wait_for_event("escalated", key="alarm.pump", step=1)
        told = second.wait_for_event("escalated", key="alarm.pump", step=2)
        self.assertEqual(told["alarm"]["text"], "too hot")
        second.wait_for_event("escalated", key="alarm.pump", repeat=told["repeat"] + 1)
        keys = {it["key"] for it in self.escalations(first) + self.escalations(second)}
        self.assertEqual(keys, {"alarm.pump"})

    def test_an_escalation_goes_on_after_an_upgrade(self):
        first, second = self.receiver(), self.receiver()
        server = self.escalating(first, second, "-v")
        raised = '{"alarm":"raised","text":"too hot","severity":"critical"}'
        post(server, "plant-1?key=alarm.pump&retain", raised, json=True)
        first.wait_for_event("escalated", step=1)
        server.process.send_signal(signal.SIGUSR2)
        pid = int(re.search(r"process (\d+) has taken over", server.wait_for_log("has taken over")).group(1))
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        second.wait_for_event("escalated", step=2, repeat=2)
        self.assertEqual([it["step"] for it in self.escalations(first)], [1], "nothing is told twice")
        self.assertEqual([it["repeat"] for it in self.escalations(second)][:3], [0, 1, 2])

    def test_a_secret_is_changed_while_the_server_runs(self):
        receiver = self.receiver()
        server = self.hook(receiver)
        post(server, "tea", "one")
        receiver.wait_for_event("message", data="one")
        self.file("old.txt", written(NEW))
        server.process.send_signal(signal.SIGHUP)
        def is_new(heard):
            post(server, "tea", "again")
            return heard[-1].is_signed_by(NEW)
        deadline = time.monotonic() + SECONDS
        while not is_new(receiver.heard):
            self.assertLess(time.monotonic(), deadline)
            receiver.wait("more", lambda heard, count=len(receiver.heard): len(heard) > count)
        snapshots = [one for one in receiver.heard if one.body["type"] == "snapshot"]
        self.assertEqual(len(snapshots), 1, "it knew all before")

    def test_tls_is_spoken_to_whom_is_trusted(self):
        flags, trust = parlor.authority(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(flags[1], flags[3])
        receiver = self.receiver(context=context)
        self.hook(receiver, "--webhook-ca", trust)
        receiver.wait("snapshot", lambda heard: heard)
        stranger = self.hook(receiver)
        self.assertIn("is tried again", stranger.wait_for_log("certificate"))

    def test_private_addresses_are_left_alone(self):
        receiver = self.receiver()
        server = self.hook(receiver, allow=False)
        line = server.wait_for_log("private address")
        self.assertIn("--webhook-allow", line)
        self.assertNotIn("/hook", line, "the path may be a secret")
        self.assertEqual(receiver.heard, [])

    def test_redirects_are_not_followed(self):
        other = self.receiver()
        receiver = self.receiver(lambda body: (307, {"location": other.url}))
        server = self.hook(receiver)
        receiver.wait("a second attempt", lambda heard: len(heard) > 1)
        server.wait_for_log("it has answered 307")
        self.assertEqual(other.heard, [])
        self.assertEqual(receiver.heard[0].id, receiver.heard[1].id)

    def test_who_is_gone_is_switched_off_at_once(self):
        receiver = self.receiver(lambda body: 410)
        server = self.hook(receiver)
        server.wait_for_log("is switched off")
        post(server, "tea", "hello")
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % server.port, timeout=SECONDS) as response:
            self.assertIn('parlor_webhook_off{webhook="1"} 1', response.read().decode())
        self.assertEqual(len(receiver.heard), 1)

    def test_a_slow_one_delays_only_itself(self):
        release = threading.Event()
        self.addCleanup(release.set)
        slow = self.receiver(lambda body: release.wait(SECONDS) and 204)
        quick = self.receiver()
        config = self.file("parlor.toml", "".join(
            '[[webhooks]]\nurl = "%s"\nsecret-file = "%s"\n' % (url, self.secret)
            for url in [slow.url, slow.url + "/2", quick.url]))
        server = self.serving("--config", config)
        begin = time.monotonic()
        for number in range(3):
            post(server, "tea", "%d" % number)
            quick.wait_for_event("message", data=number)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(slow.heard, [])
        release.set()
        slow.wait_for_event("message", data=2)

    def test_an_upgrade_goes_on_where_the_old_process_stops(self):
        for flags in [], ["--data", os.path.join(self.folder, "data")]:
            is_failing = threading.Event()
            receiver = self.receiver(lambda body: 500 if is_failing.is_set() else 204)
            server = self.hook(receiver, "-v", *flags)
            with stream(server, "tea"):
                receiver.wait_for_event("joined")
                is_failing.set()
                post(server, "tea", "before")
                receiver.wait("an attempt", lambda heard: heard[-1].status == 500)
                server.process.send_signal(signal.SIGUSR2)
                pid = int(re.search(r"process (\d+) has taken over", server.wait_for_log("has taken over")).group(1))
                self.addCleanup(os.kill, pid, signal.SIGKILL)
                is_failing.clear()
                receiver.wait_for_event("message", data="before")
                post(server, "tea", "after")
                receiver.wait_for_event("message", data="after")
            receiver.wait_for_event("vacated")
            good = [one.body for one in receiver.heard if one.status == 204]
            self.assertEqual([body["type"] for body in good].count("snapshot"), 1)
            numbers = [body["data"]["number"] for body in good if body["data"].get("room") == "tea"]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_what_was_there_before_a_webhook_is_not_told(self):
        data = os.path.join(self.folder, "data")
        server = self.serving("--data", data)
        post(server, "tea", "before")
        server.kill()
        receiver = self.receiver()
        for text in "one", "two":
            server = self.hook(receiver, "--data", data)
            post(server, "tea", text)
            receiver.wait_for_event("message", data=text)
            server.kill()
        self.assertEqual(sorted({(event["offset"], event["data"]) for one in receiver.heard for event in one.events()}),
                         [(2, "one"), (3, "two")])

    def test_settings_that_are_wrong_are_told(self):
        bad = self.file("bad.txt", "not a secret")
        for flags, said in [
            (["--webhook", "https://a.example"], "needs --webhook-secret-file"),
            (["--webhook", "https://a.example", "--webhook-secret-file", bad], "begins with whsec_"),
            (["--webhook", "a.example", "--webhook-secret-file", self.secret], "expected https://host"),
            (["--webhook", "https://a.example", "--webhook-secret-file", self.secret, "--webhook-rooms", "a b"],
             "no room can have the name"),
            (["--webhook", "https://a.example", "--webhook-secret-file", self.secret, "--webhook-events", "msg"],
             "expected message, keyed"),
        ]:
            with self.assertRaises(RuntimeError) as raised:
                self.serving(*flags)
            self.assertIn(said, str(raised.exception))
        hook = '[[webhooks]]\nurl = "https://a.example/secret"\nsecret-file = "%s"\n' % self.secret
        escalation = '[[escalations]]\nafter = 1\nsteps = "webhook:https://%s.example/secret"\n'
        for text, said in [
            (hook + escalation % "b", "a webhook of https://b.example that is not among"),
            (hook + 'events = ["escalated"]\n', "https://a.example is told of nothing but escalated"),
            (hook + escalation % "a" + 'rooms = ["a b"]\n', "no room can have the name"),
        ]:
            with self.assertRaises(RuntimeError) as raised:
                self.serving("--config", self.file("wrong.toml", text))
            self.assertIn(said, str(raised.exception))
            self.assertNotIn("/secret", str(raised.exception), "the path may be one")

    def test_nothing_is_lost_where_the_server_is_killed(self):
        """An endpoint that fails half of the time, in half of that after it has heard; and kill -9."""
        chance = random.Random(1)
        lock = threading.Lock()

        def answer(_):
            with lock:
                return chance.choice([204, 204, 500, -500])
        receiver = self.receiver(answer)
        data = os.path.join(self.folder, "data")
        accepted = collections.defaultdict(set)
        for run in range(KILLS + 1):
            server = self.hook(receiver, "--data", data, "--rate", "0")
            began = time.monotonic()
            length = chance.uniform(0.2, 2.5)
            while time.monotonic() - began < length:
                room = chance.choice(["tea", "plant", "ops"])
                # The server is not killed while it answers: what is not answered may be told or not.
                accepted[room].add(post(server, room, "in run %d" % run)["offset"])
            if run < KILLS:
                server.kill()
        receiver.wait("all that was accepted", lambda heard: all(
            offsets <= set(told(heard, room)) for room, offsets in accepted.items()), 4 * SECONDS)
        row = tally(receiver.heard, accepted)
        print("\n%d kills; an endpoint that fails half of the time:" % KILLS)
        for name, value in row.items():
            print("  %-44s %8d" % (name, value))
        self.assertEqual([row[name] for name in ("lost", "out of order", "doubled under another id", "signature wrong")],
                         [0, 0, 0, 0])
        self.assertGreater(row["attempts that failed"], 10)
        snapshots = {one.id for one in receiver.heard if one.body["type"] == "snapshot"}
        self.assertGreaterEqual(len(snapshots), KILLS // 2, "a restart tells one, unless it is killed before")


def heard_once(heard):
    """What a receiver goes by that passes over what it has heard before; not heard is what it failed before it looked."""
    seen = {}
    for one in heard:
        if one.status != -500 and one.id not in seen:
            seen[one.id] = one
    return list(seen.values())


def told(heard, room):
    return [event["offset"] for one in heard_once(heard) if one.body["data"].get("room") == room
            for event in one.events() if event["type"] == "message"]


def tally(heard, accepted):
    row = collections.Counter()
    row["messages accepted"] = sum(map(len, accepted.values()))
    row["requests"] = len({one.id for one in heard})
    row["attempts"] = len(heard)
    row["attempts that failed"] = sum(one.status != 204 for one in heard)
    row["heard twice, with the same id"] = sum(one.status != -500 for one in heard) - len(heard_once(heard))
    row["lost"] = row["out of order"] = row["doubled under another id"] = 0
    for room, offsets in accepted.items():
        found = told(heard, room)
        row["lost"] += len(offsets - set(found))
        row["doubled under another id"] += len(found) - len(set(found))
        row["out of order"] += sum(one >= after for one, after in zip(found, found[1:]))
        places = [(one.body["data"]["stream"], one.body["data"]["number"]) for one in heard_once(heard)
                  if one.body["data"].get("room") == room]
        row["out of order"] += sum(one >= after for one, after in zip(places, places[1:]))
    row["signature wrong"] = sum(not one.is_signed_by(OLD) for one in heard)
    return row


def post(server, room, text, json=False):
    kind = "application/json" if json or re.fullmatch(r"[0-9.]+", text) else "text/plain"
    request = urllib.request.Request("http://127.0.0.1:%d/rooms/%s" % (server.port, room), text.encode(),
                                     {"content-type": kind})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        return loads(response.read())


loads = json.loads


@contextlib.contextmanager
def stream(server, room):
    """Somebody who follows a room."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("GET", "/rooms/%s/events" % room)
    response = connection.getresponse()
    assert response.status == 200, response.status
    try:
        yield
    finally:
        response.close()
        connection.close()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        KILLS = int(sys.argv.pop(1))
    parlor.run_tests("hooks")
