"""websockets, PyJWT and httpx-sse; see libraries.py."""

import json
import sys
import time

import httpx
import httpx_sse
import jwt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

base, secret, room = sys.argv[1:]
address = base.replace("http", "ws") + "/ws/" + room
claims = {"sub": "websockets", "exp": time.time() + 60, "subscribe": [room], "publish": [room]}
headers = {"Authorization": "Bearer " + jwt.encode(claims, secret, algorithm="HS256")}


def report(**what):
    print(json.dumps(what), flush=True)


def hear(socket, kind):
    while True:
        event = json.loads(socket.recv(20))
        if event["type"] == kind:
            return event


with connect(address, subprotocols=["parlor.v1.json"], additional_headers=headers) as socket:
    report(name=hear(socket, "welcome")["you"]["name"])
    report(joined=hear(socket, "joined")["room"])
    socket.send(json.dumps({"type": "publish", "room": room, "data": "hello 茶"}))
    report(heard=hear(socket, "message")["data"])

with httpx.Client(headers=headers, timeout=20) as client:
    with httpx_sse.connect_sse(client, "GET", base + "/rooms/" + room + "/events?last=1") as stream:
        # Each that is handed over is an event: nothing between them is taken for one.
        events = (json.loads(event.data) for event in stream.iter_sse())
        report(event=next(event["data"] for event in events if event["type"] == "message"))

with connect(address, additional_headers=headers) as socket:
    socket.send("plainly")
    report(plain=socket.recv(20))
    socket.send("x" * 5000)
    try:
        socket.recv(20)
    except ConnectionClosed as end:
        report(closed=end.rcvd.code, reason=end.rcvd.reason)
