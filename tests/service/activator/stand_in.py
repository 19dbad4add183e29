"""A stand-in for a model server: uvicorn as KServe's, and a model that does what the request's headers say.

`python stand_in.py [PORT]` prints its port once it listens. GET /peak tells the most requests it had at a time,
GET /go-on lets an answer in parts (X-Parts) end.
"""

import asyncio
import json
import os
import socket
import sys
from collections import Counter

import uvicorn

counted = Counter()
may_go_on = asyncio.Event()


async def app(scope, receive, send):
    if scope["path"] == "/peak":
        await answer(send, {"peak": counted["peak"]})
        return
    if scope["path"] == "/go-on":
        may_go_on.set()
        await answer(send, {})
        return
    counted["now"] += 1
    counted["peak"] = max(counted["peak"], counted["now"])
    try:
        await predict(scope, receive, send)
    finally:
        counted["now"] -= 1


async def predict(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    headers = {key.decode(): value.decode() for key, value in scope["headers"]}
    await asyncio.sleep(float(headers.get("x-seconds", "0.01")))
    if "x-poison" in headers:
        os._exit(9)
    if "x-parts" in headers:
        await answer_in_parts(send)
        return
    path = scope["raw_path"].decode() + "?" + scope["query_string"].decode()
    told = {"pid": os.getpid(), "headers": headers, "path": path, "size": size}
    await answer(send, told, int(headers.get("x-status", "200")))


async def answer(send, told, status=200):
    body = json.dumps(told).encode()
    headers = [
        (b"content-length", str(len(body)).encode()),
        (b"x-by", b"stand-in"),
        (b"x-twice", b"a"),
        (b"x-twice", b"b"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_in_parts(send):
    """The second part comes only when somebody has asked for /go-on."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part 0\n", "more_body": True})
    await may_go_on.wait()
    await send({"type": "http.response.body", "body": b"part 1\n"})


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_keep_alive=65)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
