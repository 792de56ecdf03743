"""One hop of test/interop/chain: calls NEXT, if it is set, and says what it saw. Knows no mesh: like every app with
OpenTelemetry it passes traceparent, tracestate and baggage on, and what is left of its deadline. Prints its port, ends
when stdin does."""

import json
import os
import sys
from concurrent import futures

import grpc

METHOD = "/chain.v1.Hop/Call"
PASSED_ON = ("traceparent", "tracestate", "baggage")
LONGEST = 1e6


def as_it_is(octets):
    return octets


NAME, NEXT = os.environ["NAME"], os.environ.get("NEXT", "")
CALL = None
if NEXT:
    MESH = grpc.insecure_channel(os.environ["OUTRIGGER_APP"], options=[("grpc.default_authority", NEXT)])
    CALL = MESH.unary_unary(METHOD, as_it_is, as_it_is)


def call(request, context):
    metadata = dict(context.invocation_metadata())
    left = context.time_remaining()
    # Of a call without a deadline grpcio says a time that it does not take itself.
    left = None if left is None or left > LONGEST else left
    seen = {
        "name": NAME,
        "id": metadata.get("x-request-id", ""),
        "leftMs": None if left is None else left * 1000,
        "baggage": metadata.get("baggage", ""),
        "traceparent": metadata.get("traceparent", ""),
        "caller": metadata.get("x-outrigger-caller", ""),
    }
    print(json.dumps(seen), flush=True)
    hops = [seen]
    if CALL is not None:
        passed_on = [(key, metadata[key]) for key in PASSED_ON if key in metadata]
        try:
            hops += json.loads(CALL(request, timeout=left, metadata=passed_on))
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
    return json.dumps(hops).encode()


HANDLER = grpc.unary_unary_rpc_method_handler(call, as_it_is, as_it_is)
SERVER = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
SERVER.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("chain.v1.Hop", {"Call": HANDLER})])
PORT = SERVER.add_insecure_port("127.0.0.1:" + os.environ.get("PORT", "0"))
SERVER.start()
print(json.dumps({"port": PORT}), flush=True)
sys.stdin.read()
SERVER.stop(None)
