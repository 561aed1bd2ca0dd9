"""An alarm from its raising to the phone, and back: on disk, over TLS, and with a subscription that ends."""

import json
import os
import subprocess
import tempfile
import unittest
import urllib.request

import parlor
import service

ID = "0123456789abcdef"


class Alarms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parlor-push-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        certificate, key = (os.path.join(folder.name, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "1", "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
        self.service = service.Service(service.context(certificate, key))
        self.addCleanup(self.service.close)
        self.flags = ["--bind", "127.0.0.1", "--data", self.data, "--push-contact", "mailto:ops@example.org",
                      "--webhook-allow", "127.0.0.1", "--webhook-allow", "::1", "--webhook-ca", certificate]

    def ask(self, server, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method,
                                         data=encoded(body), headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=service.SECONDS) as response:
            return response.read().decode()

    def subscribe(self, server, subscription):
        self.ask(server, "PUT", "/push/subscriptions/" + ID, {
            "endpoint": subscription.endpoint, "keys": subscription.keys(), "rooms": ["plant"], "kinds": ["alarm"]})

    def alarm(self, server, **change):
        self.ask(server, "POST", "/rooms/plant?key=alarm.pump&retain", change)

    def heard(self, subscription, count):
        self.service.wait(f"{count} pushes", lambda: len(subscription.heard) >= count)
        return [push.body["parlor"]["state"] for push in subscription.heard]

    def test_an_alarm_is_told_and_withdrawn_also_after_a_restart(self):
        phone = self.service.subscribe()
        with parlor.serving(*self.flags) as server:
            self.subscribe(server, phone)
            self.alarm(server, alarm="raised", text="hot", severity="critical")
            self.assertEqual(self.heard(phone, 1), ["raised"])
            self.assertIn(phone.heard[0].key, self.ask(server, "GET", "/push/key"))
        with parlor.serving(*self.flags) as server:
            self.alarm(server, alarm="acknowledged", by="ana")
            self.assertEqual(self.heard(phone, 2), ["raised", "acknowledged"])
        raised, withdrawn = (push.body["notification"] for push in phone.heard)
        self.assertEqual((raised["tag"], raised["silent"]), ("plant/alarm.pump", False))
        self.assertEqual((withdrawn["tag"], withdrawn["silent"]), ("plant/alarm.pump", True))
        self.assertEqual(withdrawn["title"], "Acknowledged by ana: hot")
        self.assertEqual(phone.heard[0].headers["topic"], phone.heard[1].headers["topic"])

    def test_a_subscription_that_is_over_is_removed(self):
        phone = self.service.subscribe()
        phone.answer = 410
        with parlor.serving(*self.flags) as server:
            self.subscribe(server, phone)
            self.alarm(server, alarm="raised")
            metrics = ""
            while "parlor_push_removed_total 1" not in metrics:
                metrics = self.ask(server, "GET", "/metrics")
            self.assertIn("parlor_push_subscriptions 0", metrics)


def encoded(body):
    return None if body is None else json.dumps(body).encode()
