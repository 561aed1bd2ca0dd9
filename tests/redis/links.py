"""The proxy and the Redis servers of these tests do what they say."""

import contextlib
import os
import threading
import time

import stores
from nodes import Case
from proxy import Proxy
from stores import Client


class Links(Case):
    def setUp(self):
        super().setUp()
        self.redis = self.start_redis()
        self.proxy = self.start_proxy(self.redis)

    def client(self):
        client = Client(self.proxy.port)
        self.addCleanup(client.close)
        return client

    def test_values_pass_whole(self):
        client = self.client()
        value = "x" * 300_000
        self.assertEqual(client.ask("SET", "a", value), "OK")
        self.assertEqual(client.ask("GET", "a"), value)
        self.assertIsNone(client.ask("GET", "b"))
        self.assertEqual(client.ask("EVAL", "return {1, {'two', {}}, false}", 0), [1, ["two", []], None])
        self.assertEqual(self.proxy.accepted, 1)

    def test_connections_are_cut(self):
        for is_reset, error in ((True, ConnectionResetError), (False, ConnectionError)):
            client = self.client()
            self.assertEqual(client.ask("PING"), "PONG")
            self.proxy.cut(is_reset)
            self.assertRaises(error, client._read)
            self.assertEqual(self.client().ask("PING"), "PONG")

    def test_a_value_is_cut(self):
        client = self.client()
        client.ask("SET", "a", "x" * 1000)
        self.proxy.cut_after(500, is_reset=False)
        client._socket.sendall(b"GET a\r\n")
        self.assertEqual(len(client._file.read()), 500)
        self.assertEqual(len(self.client().ask("GET", "a")), 1000)

    def test_nothing_gets_through_a_stall(self):
        client = self.client()
        client.ask("PING")
        self.proxy.stall()
        client._socket.sendall(b"INCR a\r\n")
        client._socket.settimeout(0.2)
        self.assertRaises(TimeoutError, client._socket.recv, 1)
        self.assertEqual(self.redis.ask("EXISTS", "a"), 0)
        client._socket.settimeout(stores.SECONDS)
        self.proxy.go_on()
        self.assertEqual(client._socket.recv(10), b":1\r\n")

    def test_it_is_slow(self):
        client = self.client()
        client.ask("SET", "a", "x" * 1000)
        self.proxy.slow_down(5000)
        began = time.monotonic()
        self.assertEqual(client.ask("GET", "a"), "x" * 1000)
        self.assertGreater(time.monotonic() - began, 1000 / 5000)

    def test_a_message_of_a_subscription_is_dropped(self):
        for subscribe, publish in (("SUBSCRIBE", "PUBLISH"), ("SSUBSCRIBE", "SPUBLISH")):
            with self.subTest(subscribe):
                client = self.client()
                self.assertEqual(client.ask(subscribe, "news")[2], 1)
                before = self.proxy.dropped
                self.proxy.drop_messages(1, b"two")
                for text in ("one", "two", "three"):
                    self.redis.ask(publish, "news", text)
                self.assertEqual([client._read()[2] for _ in range(2)], ["one", "three"])
                self.assertEqual(self.proxy.dropped, before + 1)

    def test_redis_is_gone_and_comes_back(self):
        redis = self.start_redis("--appendonly", "yes", "--appendfsync", "always")
        self.proxy = self.start_proxy(redis)
        client = self.client()
        client.ask("SET", "a", "b")
        redis.kill()
        self.assertRaises(ConnectionError, client.ask, "PING")
        self.assertRaises(ConnectionError, self.client().ask, "PING")
        redis.start()
        self.assertEqual(self.client().ask("GET", "a"), "b")
        redis.lose_everything()
        self.assertIsNone(self.client().ask("GET", "a"))

    def test_redis_stops_for_a_while(self):
        client = self.client()
        self.redis.stop()
        answers = []
        waits = threading.Thread(target=lambda: answers.append(client.ask("PING")))
        waits.start()
        waits.join(0.2)
        self.assertEqual(answers, [])
        self.redis.go_on()
        waits.join()
        self.assertEqual(answers, ["PONG"])

    def test_a_password(self):
        redis = self.start_redis(password="of redis")
        with contextlib.closing(Client(redis.port)) as stranger:
            self.assertRaisesRegex(stores.ReplyError, "NOAUTH", stranger.ask, "PING")
        self.assertEqual(redis.ask("PING"), "PONG")

    def test_tls(self):
        folder = self.make_folder("tls")
        redis = self.start_redis(tls=stores.certificate(folder))
        told = stores.run_cli("--tls", "--cacert", os.path.join(folder, "ca.pem"), "-h", "localhost", "-p", redis.port,
                              "PING")
        self.assertEqual(told, "PONG\n")
        # The proxy passes on what it cannot read.
        proxy = self.start_proxy(redis)
        told = stores.run_cli("--tls", "--cacert", os.path.join(folder, "ca.pem"), "-h", "localhost", "-p", proxy.port,
                              "PING")
        self.assertEqual(told, "PONG\n")
