"""A push service for tests: it checks who sends (RFC 8292) and decrypts what is sent (RFC 8291), with nothing of parlor.

Needs the package `cryptography`.
"""

import base64
import contextlib
import http.server
import json
import os
import ssl
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECONDS = 30


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key):
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def load_point(data):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)


def hkdf(salt, secret, info, length):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def decrypt(private, auth, body):
    """RFC 8291, sections 3.3 and 3.4, and RFC 8188 of one record."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    sender, record = body[21:21 + length], body[21 + length:]
    assert len(body) <= 4096 and len(record) <= size, "more than one record"
    secret = private.exchange(ec.ECDH(), load_point(sender))
    ikm = hkdf(auth, secret, b"WebPush: info\0" + point(private.public_key()) + sender, 32)
    key = hkdf(salt, ikm, b"Content-Encoding: aes128gcm\0", 16)
    nonce = hkdf(salt, ikm, b"Content-Encoding: nonce\0", 12)
    plain = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
    assert plain.endswith(b"\2"), "not the last record"
    return plain[:-1]


def check_vapid(field, origin, now=None):
    """The claims of the field `Authorization`, and the key that has signed it."""
    scheme, rest = field.split(" ", 1)
    assert scheme == "vapid", scheme
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, signature = parts["t"].rsplit(".", 1)
    head, claims = (json.loads(decode(part)) for part in signed.split("."))
    assert head["alg"] == "ES256", head
    raw = decode(signature)
    assert len(raw) == 64, raw
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    load_point(decode(parts["k"])).verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    now = time.time() if now is None else now
    assert claims["aud"] == origin, claims
    assert now < claims["exp"] <= now + 24 * 3600, claims
    assert claims["sub"].startswith(("mailto:", "https:")), claims
    return claims, parts["k"]


class Subscription:
    """What a browser has: an endpoint, and the keys for it. `answer`: a status, or (status, fields), or "hang"."""

    def __init__(self, service):
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.path = "/send/" + encode(os.urandom(16))
        self.endpoint = service.origin + self.path
        self.answer = 201
        self.heard = []

    def keys(self):
        return {"p256dh": encode(point(self.private.public_key())), "auth": encode(self.auth)}


class Push:
    """What was pushed, decrypted, with the fields of its request."""

    def __init__(self, plain, headers, key):
        self.body = json.loads(plain)
        self.headers = headers
        self.key = key


class Service:
    """A push service on a free port, by HTTPS if there is a context. What is wrong with requests is in `wrong`."""

    def __init__(self, context=None):
        self.subscriptions, self.wrong = {}, []
        self.grown = threading.Condition()
        self.released = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, fields = service.receive(self.path, self.headers, body)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in {"content-length": "0", **fields}.items():
                        self.send_header(name, value)
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # A server that was killed.
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.origin = "%s://localhost:%d" % ("https" if context else "http", self.server.server_port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def subscribe(self):
        subscription = Subscription(self)
        self.subscriptions[subscription.path] = subscription
        return subscription

    def receive(self, path, headers, body):
        subscription = self.subscriptions.get(urllib.parse.urlsplit(path).path)
        if subscription is None:
            return 404, {}
        if subscription.answer == "hang":
            self.released.wait(SECONDS)
            return 503, {}
        answer = subscription.answer
        status, fields = answer if isinstance(answer, tuple) else (answer, {})
        try:
            _, key = check_vapid(headers["authorization"], self.origin)
            assert headers["content-encoding"] == "aes128gcm", headers
            assert int(headers["ttl"]) >= 0, headers
            assert headers["urgency"] in ("very-low", "low", "normal", "high"), headers
            assert len(headers["topic"] or "") <= 32, headers
            push = Push(decrypt(subscription.private, subscription.auth, body), headers, key)
        except Exception as error:  # Whatever it is, the test that looks at `wrong` fails.
            with self.grown:
                self.wrong.append(repr(error))
                self.grown.notify_all()
            return 400, {}
        if status == 201:
            with self.grown:
                subscription.heard.append(push)
                self.grown.notify_all()
        return status, fields

    def wait(self, what, found, seconds=SECONDS):
        """Waits until something holds."""
        with self.grown:
            if not self.grown.wait_for(lambda: self.wrong or found(), seconds) or self.wrong:
                raise AssertionError("%s: not yet; wrong: %s" % (what, self.wrong))
            return found()


def context(certificate, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
