"""aiohttp, PyJWT and httpx-sse; see libraries.py."""

import asyncio
import json
import sys
import time

import aiohttp
import jwt

base, secret, room = sys.argv[1:]


def report(**what):
    print(json.dumps(what), flush=True)


async def hear(socket, kind):
    while True:
        event = await socket.receive_json(timeout=20)
        if event["type"] == kind:
            return event


async def main():
    claims = {"sub": "aiohttp", "exp": int(time.time()) + 60, "subscribe": [room], "publish": [room]}
    token = jwt.encode(claims, secret, algorithm="HS256")
    headers = {"Authorization": "Bearer " + token}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.ws_connect(base + "/ws/" + room, protocols=["parlor.v1.json"]) as socket:
            report(name=(await hear(socket, "welcome"))["you"]["name"])
            report(joined=(await hear(socket, "joined"))["room"])
            await socket.send_json({"type": "publish", "room": room, "data": "hello 茶"})
            report(heard=(await hear(socket, "message"))["data"])
        async with session.get(base + "/rooms/" + room + "/events?last=1") as stream:
            async for line in stream.content:
                if line.startswith(b"data:") and b'"type":"message"' in line:
                    report(event=json.loads(line[5:])["data"])
                    break
        async with session.ws_connect(base + "/ws/" + room) as socket:
            await socket.send_str("plainly")
            report(plain=await socket.receive_str(timeout=20))
            await socket.send_str("x" * 5000)
            end = await socket.receive(timeout=20)
            report(closed=socket.close_code, reason=end.extra)


asyncio.run(main())
