"""The echo service of test/support/echo-methods.ts, in Python. Prints its port, ends when stdin does."""

import hashlib
import json
import sys
import threading
import time
from concurrent import futures

import grpc

CANCELLED = set()
CHANGED = threading.Condition()
CODES = {code.value[0]: code for code in grpc.StatusCode}


def echoed(context, prefix):
    return [
        (prefix + key[len("x-echo-"):], value)
        for key, value in context.invocation_metadata()
        if key.startswith("x-echo-")
    ]


def begin(context):
    context.set_trailing_metadata(echoed(context, "x-trail-"))
    context.send_initial_metadata(echoed(context, "x-echo-"))


def unary(request, context):
    begin(context)
    return request


def collect(requests, context):
    begin(context)
    count, size, digest = 0, 0, hashlib.sha256()
    for message in requests:
        count, size = count + 1, size + len(message)
        digest.update(message)
    return json.dumps({"count": count, "bytes": size, "sha256": digest.hexdigest()}).encode()


def repeat(request, context):
    begin(context)
    asked = json.loads(request)
    for i in range(asked["count"]):
        yield bytes([i % 251]) * asked["size"]


def bidi(requests, context):
    begin(context)
    yield from requests


def fail(request, context):
    asked = json.loads(request)
    context.set_trailing_metadata([("grpc-status-details-bin", bytes.fromhex(asked["details"]))])
    context.abort(CODES[asked["code"]], asked["message"])


def hold(request, context):
    begin(context)
    over = threading.Event()

    def ended():
        with CHANGED:
            CANCELLED.add(request)
            CHANGED.notify_all()
        over.set()

    if not context.add_callback(ended):
        ended()
    yield request
    over.wait(60)


def cancelled(request, context):
    with CHANGED:
        CHANGED.wait_for(lambda: request in CANCELLED, 5)
        return b"yes" if request in CANCELLED else b"no"


def timeout(_, context):
    left = context.time_remaining()
    return b"Infinity" if left is None or left > 1e9 else str(left * 1000).encode()


def early(requests, context):
    next(requests)
    context.abort(grpc.StatusCode.OUT_OF_RANGE, "enough")
    yield b""


def main():
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=400),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Hold": grpc.unary_stream_rpc_method_handler(hold),
        "Cancelled": grpc.unary_unary_rpc_method_handler(cancelled),
        "Timeout": grpc.unary_unary_rpc_method_handler(timeout),
        "Early": grpc.stream_stream_rpc_method_handler(early),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("interop.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    server.stop(0.2)


if __name__ == "__main__":
    main()
