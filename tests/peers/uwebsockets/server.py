"""The broadcast room on uWebSockets, by its pub/sub; Python only hands each message on."""

import sys

from socketify import App, CompressOptions

ROOM = "room"
PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 0

app = App()
app.ws(
    "/ws",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 16 * 1024 * 1024,
        "max_backpressure": 64 * 1024 * 1024,
        "idle_timeout": 120,
        "open": lambda ws: ws.subscribe(ROOM),
        "message": lambda ws, message, opcode: app.publish(ROOM, message, opcode),
    },
)
app.listen(
    {"port": PORT, "host": "127.0.0.1"},
    lambda config: print(f"listening on {config.port}", flush=True),
)
app.run()
