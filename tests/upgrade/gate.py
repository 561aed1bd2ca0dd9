"""Stands between a server and the next one: it is started as the next one, starts that, and passes on what the two say.

At one message it does something else. The order: `hello` by the next one; `baggage`, `state` and `descriptors` by the
server; `ready` by the next one; `go` by the server.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import sys

PR_SET_PDEATHSIG = 1
MOST_AT_ONCE = 253


def program(binary, stage, action, folder):
    """The text of a program that does this."""
    here = os.path.dirname(os.path.abspath(__file__))
    return ("#!%s -B\nimport sys\nsys.path.insert(0, %r)\nimport gate\ngate.main(%r, %r, %r, %r)\n"
            % (sys.executable, here, binary, stage, action, folder))


def main(binary, stage, action, folder):
    server = socket.socket(fileno=0)
    near, far = socket.socketpair()
    die_with_me = lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    process = subprocess.Popen([binary, *sys.argv[1:]], stdin=far, preexec_fn=die_with_me if action != "wait" else None)
    far.close()
    print("gate: next process %d" % process.pid, file=sys.stderr, flush=True)

    def at(name, message=b""):
        """What is passed on instead."""
        if name != stage:
            return message
        print("gate: at %s" % name, file=sys.stderr, flush=True)
        if action == "wait":
            # Until the test opens it, too.
            with open(os.path.join(folder, "release"), "rb") as release:
                release.read()
        if action == "hang":
            signal.pause()
        if action == "die":
            process.kill()
            sys.exit(1)
        if action == "newer":
            # The last that a hello says is the version that it reads.
            return message[:-1] + bytes([message[-1] + 1])
        if action == "cut":
            return message[:len(message) // 2]
        if action == "stop the server":
            # It finds what was said, and that nobody is there, at once.
            os.kill(os.getppid(), signal.SIGSTOP)
            send(server, message)
            process.kill()
            os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 0.1; kill -CONT %d" % os.getppid()], os.environ,
                           file_actions=[(os.POSIX_SPAWN_CLOSE, 0)])
            os._exit(1)
        return message

    send(server, at("hello", receive(near)))
    send(near, at("baggage", receive(server)))
    send(near, at("state", receive(server)))
    at("descriptors")
    while server in select.select([server, near], [], [])[0]:
        _, descriptors, _, _ = socket.recv_fds(server, 1, MOST_AT_ONCE)
        socket.send_fds(near, [b"d"], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    send(server, at("ready", receive(near)))
    send(near, at("go", receive(server)))


def receive(one):
    length, = struct.unpack(">Q", exactly(one, 8))
    return exactly(one, length)


def exactly(one, count):
    taken = bytearray()
    while len(taken) < count:
        piece = one.recv(count - len(taken))
        if not piece:
            sys.exit("gate: the other one is gone")
        taken += piece
    return bytes(taken)


def send(one, message):
    with contextlib.suppress(BrokenPipeError):
        one.sendall(struct.pack(">Q", len(message)) + message)
