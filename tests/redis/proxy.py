"""Stands between servers and Redis, and does to their connections what networks do."""

import asyncio
import contextlib
import struct
import socket
import threading

CHUNK = 1 << 16
SECONDS = 40
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset


class Proxy:
    """Passes connections to a port on this machine. Its methods are called by other threads than its own."""

    def __init__(self, target_port):
        self.target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._links = set()
        self._tasks = set()
        self._is_open = asyncio.Event()
        self._changed = threading.Condition()
        # How many connections there were, and bytes that Redis has sent through here, and messages that were dropped.
        self.accepted = self.passed = self.dropped = 0
        # What is to happen next: to the bytes from Redis, and to its messages.
        self._cut_after = None
        self._drop = None
        self._bytes_per_second = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        self._thread.start()
        self._call(self._begin())
        self.go_on()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def _do(self, function, *arguments):
        async def work():
            return function(*arguments)
        return self._call(work())

    async def _begin(self):
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    def wait_until(self, holds):
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), SECONDS):
                raise AssertionError("%d connections, %d bytes, %d dropped" % (self.accepted, self.passed, self.dropped))

    def _count(self, **more):
        with self._changed:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)
            self._changed.notify_all()

    def cut(self, is_reset=True):
        """Ends all connections, by RST or FIN. New ones are taken."""
        self._do(lambda: [link.cut(is_reset) for link in list(self._links)])

    def cut_after(self, count, is_reset=True):
        """Ends a connection after it has had so many more bytes from Redis: within one of its messages."""
        self._do(setattr, self, "_cut_after", (count, is_reset))

    def stall(self):
        """Nothing gets through, and nobody is told: new connections are accepted, and stay silent."""
        self._do(self._is_open.clear)

    def go_on(self):
        """All that was sent meanwhile gets through now, as on a network that is back."""
        self._do(self._is_open.set)

    def slow_down(self, bytes_per_second):
        """None for as fast as it goes."""
        self._do(setattr, self, "_bytes_per_second", bytes_per_second)

    def drop_messages(self, count, holding=b""):
        """The next messages of subscriptions, with this in them, do not arrive. All else does."""
        self._do(setattr, self, "_drop", [count, holding])

    def close(self):
        async def end():
            self._server.close()
            for link in list(self._links):
                link.cut(True)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader, writer):
        self._count(accepted=1)
        await self._is_open.wait()
        redis = await asyncio.open_connection("127.0.0.1", self.target_port)
        link = Link(writer, redis[1])
        self._links.add(link)
        try:
            both = [self._upwards(reader, redis[1]), self._downwards(redis[0], link)]
            both = [asyncio.create_task(it) for it in both]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            self._links.discard(link)
            redis[1].transport.abort()

    async def _upwards(self, reader, writer):
        while piece := await reader.read(CHUNK):
            await self._let_through(piece, writer)

    async def _downwards(self, reader, link):
        messages = Messages()
        while piece := await reader.read(CHUNK):
            whole = []
            for value, is_message in messages.split(piece):
                if is_message and self._takes(value):
                    self._count(dropped=1)
                else:
                    whole.append(value)
            piece = b"".join(whole)
            if self._cut_after is not None and len(piece) > self._cut_after[0]:
                count, is_reset = self._cut_after
                self._cut_after = None
                await self._let_through(piece[:count], link.writer)
                link.cut(is_reset)
                return
            if self._cut_after is not None:
                self._cut_after = self._cut_after[0] - len(piece), self._cut_after[1]
            await self._let_through(piece, link.writer)
            self._count(passed=len(piece))

    def _takes(self, value):
        if not self._drop or self._drop[0] == 0 or self._drop[1] not in value:
            return False
        self._drop[0] -= 1
        return True

    async def _let_through(self, piece, writer):
        while piece:
            rate = self._bytes_per_second
            part = piece if rate is None else piece[:max(1, rate // 20)]
            if rate is not None:
                # What makes a network slow is time.
                await asyncio.sleep(len(part) / rate)
            await self._is_open.wait()
            writer.write(part)
            await writer.drain()
            piece = piece[len(part):]


class Link:
    """One connection and its way to Redis."""

    def __init__(self, writer, redis):
        self.writer, self._redis = writer, redis

    def cut(self, is_reset):
        for writer in (self.writer, self._redis):
            with contextlib.suppress(OSError):
                if is_reset:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    writer.transport.abort()
                else:
                    writer.close()


class Messages:
    """Divides the bytes from Redis into whole values (RESP2), and says which are messages of subscriptions. What is no
    RESP, such as TLS, is passed on as it is."""

    KINDS = (b"message", b"smessage", b"pmessage")

    def __init__(self):
        self._buffer = bytearray()
        self._is_resp = True

    def split(self, piece):
        self._buffer += piece
        while self._buffer:
            end = self._end(0) if self._is_resp else len(self._buffer)
            if end is None:
                return
            value = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield value, self._is_message(value)

    def _is_message(self, value):
        return value[:1] == b"*" and value.split(b"\r\n", 3)[2:3] != [] and value.split(b"\r\n", 3)[2] in self.KINDS

    def _end(self, start):
        """Where the value ends that begins at `start`."""
        if self._buffer[start] not in b"+-:$*":
            self._is_resp = False
            return len(self._buffer)
        line = self._buffer.find(b"\r\n", start)
        if line < 0:
            return None
        kind, end = self._buffer[start:start + 1], line + 2
        if kind in b"+-:":
            return end
        count = int(self._buffer[start + 1:line])
        if kind == b"$":
            end += count + 2 if count >= 0 else 0
            return end if end <= len(self._buffer) else None
        for _ in range(count):
            if end >= len(self._buffer) or (end := self._end(end)) is None:
                return None
        return end
