"""Feeds something that looks like a plant into a parlor: sensors, and an alarm now and then.

    tests/demo/plant.py                             starts target/release/parlor and feeds it
    tests/demo/plant.py http://localhost:8080       feeds one that runs
    SENSORS=50 HZ=20 tests/demo/plant.py            more sensors, more often
"""

import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOM = "plant"
PARLOR = Path(__file__).parents[2] / "target/release/parlor"
# What is measured and in what, around which value, and by how much it moves.
KINDS = [
    ("temp", "°C", 80, 6),
    ("pressure", "bar", 4.2, 0.3),
    ("flow", "l/min", 320, 25),
    ("level", "%", 62, 8),
    ("speed", "1/min", 1450, 40),
    ("current", "A", 17, 2),
]
UNITS = ["boiler", "feed", "tank", "press", "mixer", "dryer", "oven", "pump", "chiller", "line"]


class Sensor:
    """A value that swings, wanders and trembles, and leaves its limits now and then."""

    def __init__(self, number):
        unit = UNITS[number // len(KINDS) % len(UNITS)]
        again = number // (len(KINDS) * len(UNITS))
        kind, self.unit, self.normal, self.swing = KINDS[number % len(KINDS)]
        self.key = f"{unit}-{again + 1}.{kind}" if again else f"{unit}.{kind}"
        self.period = random.uniform(20, 90)
        self.phase = random.uniform(0, 2 * math.pi)
        self.wander = 0.0
        self.excursion = 0.0
        self.excursion_ends = 0.0
        self.raised_at = None

    @property
    def limit(self):
        return self.normal + 2.2 * self.swing

    @property
    def severity(self):
        return "critical" if self.key.endswith((".temp", ".pressure")) else "warning"

    def description(self):
        """What the board is told beside the values."""
        threshold = {"above": round(self.limit, 2), "severity": self.severity}
        return {"unit": self.unit, "thresholds": [threshold]}

    def read(self, now):
        self.wander = 0.98 * self.wander + random.gauss(0, 0.03)
        goal = 1.8 if now < self.excursion_ends else 0.0
        self.excursion += 0.1 * (goal - self.excursion)
        course = math.sin(2 * math.pi * now / self.period + self.phase)
        return round(self.normal + self.swing * (course + self.wander + self.excursion + random.gauss(0, 0.05)), 2)

    def alarm(self, value):
        """What the alarm of this sensor has to say about a value, if that is new."""
        if self.raised_at is None and value > self.limit:
            self.raised_at = int(time.time() * 1000)
            text = f"{self.key} is too high: {value} (limit {self.limit:.4g})"
            return {"alarm": "raised", "text": text, "severity": self.severity}
        if self.raised_at is not None and value < self.limit - 0.5 * self.swing:
            raised_at, self.raised_at = self.raised_at, None
            return {"alarm": "cleared", "raised_at": raised_at}
        return None


class Feed:
    """One connection on which all messages of a moment go out at once, and then their answers are read."""

    def __init__(self, url):
        self.host, self.port = url.hostname, url.port or 80
        self.socket = socket.create_connection((self.host, self.port))
        self.answers = self.socket.makefile("rb")

    def publish(self, messages):
        self.socket.sendall(b"".join(self.request(key, data) for key, data in messages))
        for key, _ in messages:
            self.expect_ok(key)

    def request(self, key, data):
        body = json.dumps(data).encode()
        return (
            f"POST /rooms/{ROOM}?key={key}&retain=1 HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def expect_ok(self, key):
        status = self.answers.readline().decode().rstrip()
        if not status:
            raise ConnectionError("the server closed the connection")
        length = 0
        while (field := self.answers.readline().decode().rstrip().lower()) != "":
            if field.startswith("content-length:"):
                length = int(field.split(":")[1])
        body = self.answers.read(length)
        if " 200 " not in f"{status} ":
            sys.exit(f"{key} was refused: {status} {body.decode(errors='replace')}")


def run(url, sensors, hz):
    feed = Feed(url)
    feed.publish([(f"chart.{sensor.key}", sensor.description()) for sensor in sensors])
    due = time.monotonic()
    next_excursion = due + 5
    while True:
        now = time.monotonic()
        if now >= next_excursion:
            random.choice(sensors).excursion_ends = now + random.uniform(8, 20)
            next_excursion = now + random.uniform(10, 30)
        messages = []
        for sensor in sensors:
            value = sensor.read(now)
            messages.append((sensor.key, value))
            if (alarm := sensor.alarm(value)) is not None:
                messages.append((f"alarm.{sensor.key}", alarm))
        feed.publish(messages)
        due = max(due + 1 / hz, time.monotonic() - 1)
        time.sleep(max(0, due - time.monotonic()))


def start(port):
    """Starts a parlor; gives it and its address."""
    # Ctrl-C is for this script, which then ends the server.
    server = subprocess.Popen([PARLOR, "--port", port], stdout=subprocess.PIPE, text=True, start_new_session=True)
    line = server.stdout.readline()
    listening = re.match(r"parlor listening on http://\S*:(\d+)(\s|$)", line)
    if not listening:
        server.terminate()
        sys.exit(f"parlor did not start: its first line is {line!r}" if line else "parlor did not start")
    return server, f"http://localhost:{listening[1]}"


def main():
    for ending in (signal.SIGTERM, signal.SIGINT):
        # Ctrl-C is ignored where a shell without job control started this in the background.
        signal.signal(ending, signal.default_int_handler)
    server, address = (None, sys.argv[1]) if len(sys.argv) > 1 else start(os.environ.get("PORT", "8080"))
    sensors = [Sensor(n) for n in range(int(os.environ.get("SENSORS") or 12))]
    print(f"The board: {address.rstrip('/')}/?room={ROOM}&view=board", flush=True)
    try:
        run(urlsplit(address), sensors, float(os.environ.get("HZ") or 2))
    except KeyboardInterrupt:
        pass
    except ConnectionError as error:
        sys.exit(f"The feed ended: {error}")
    finally:
        if server:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
