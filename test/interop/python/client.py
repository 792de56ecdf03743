"""
Calls the echo service and writes down what it saw, one JSON line for each round.

Usage: client.py TARGET AUTHORITY SEED (rounds N | seconds S) [STREAMS]

What is written depends on the seed alone, and not on time: two runs with the same seed, one through sidecars and
one direct, must write the same lines.
"""

import hashlib
import json
import os
import random
import sys
import threading
import time

import grpc

SERVICE = "/interop.Echo/"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
# What a sidecar may add, and what a server writes by itself.
NOT_COMPARED = {"x-request-id", "date", "grpc-encoding", "grpc-accept-encoding"}


def sha(octets):
    return hashlib.sha256(octets).hexdigest()


def pairs(metadata):
    """Metadata by key, values in the order in which they came, octets in hexadecimal."""
    seen = [
        [key, value.hex() if isinstance(value, bytes) else value]
        for key, value in (metadata or ())
        if key not in NOT_COMPARED
    ]
    return sorted(seen, key=lambda pair: pair[0])


def ended(call):
    return {"code": call.code().name, "message": call.details(), "trailers": pairs(call.trailing_metadata())}


class Client:
    def __init__(self, target, authority, seed):
        self.channel = grpc.insecure_channel(target, OPTIONS + [("grpc.default_authority", authority)])
        self.random = random.Random(seed)
        self.seed = seed
        self.round = 0

    def octets(self, size):
        return self.random.randbytes(size)

    def metadata(self):
        made = []
        for i in range(self.random.randint(0, 4)):
            made.append(("x-echo-bin-%d-bin" % (i % 2), self.octets(self.random.randint(0, 120))))
            made.append(("x-echo-text", "v%d, with ~ and %%41" % self.random.randint(0, 9)))
        return made

    def unary(self, method, request, metadata=None, timeout=None):
        stub = self.channel.unary_unary(SERVICE + method)
        try:
            answer, call = stub.with_call(request, timeout=timeout, metadata=metadata)
            return {"answer": sha(answer), "headers": pairs(call.initial_metadata()), **ended(call)}
        except grpc.RpcError as call:
            return {"answer": None, **ended(call)}

    def unaries(self):
        sizes = (0, 1, 128, 5000, 65_536, 70_001)
        return [self.unary("Unary", self.octets(size), self.metadata()) for size in sizes]

    def large(self):
        octets = self.octets(4 * 1024 * 1024)
        seen = self.unary("Unary", octets)
        return {**seen, "same": seen["answer"] == sha(octets)}

    def collect(self):
        messages = [self.octets(self.random.randint(0, 3000)) for _ in range(self.random.randint(0, 60))]
        answer, call = self.channel.stream_unary(SERVICE + "Collect").with_call(iter(messages), metadata=self.metadata())
        assert json.loads(answer)["sha256"] == sha(b"".join(messages)), "collect: other octets"
        return {"answer": json.loads(answer), **ended(call)}

    def repeat(self):
        asked = {"count": self.random.randint(0, 80), "size": self.random.randint(0, 9000)}
        call = self.channel.unary_stream(SERVICE + "Repeat")(json.dumps(asked).encode(), metadata=self.metadata())
        digest, count = hashlib.sha256(), 0
        for message in call:
            digest.update(message)
            count += 1
        assert count == asked["count"], "repeat: %d messages of %d" % (count, asked["count"])
        return {"sha256": digest.hexdigest(), "headers": pairs(call.initial_metadata()), **ended(call)}

    def fails(self):
        seen = []
        for message in ("plain", "nö such %% thing: 100 %", "発見できません 🛶", "two\nlines", ""):
            code = self.random.randint(1, 16)
            details = self.octets(self.random.randint(1, 60)).hex()
            asked = {"code": code, "message": message, "details": details}
            seen.append(self.unary("Fail", json.dumps(asked).encode()))
        return seen

    def early(self):
        call = self.channel.stream_stream(SERVICE + "Early")(iter([b"first"] * 3))
        try:
            return [sha(message) for message in call]
        except grpc.RpcError:
            return ended(call)

    def hold(self, name, timeout=None):
        """A call that has begun at the app and waits there; it may need a longer deadline on a busy machine."""
        for attempt in range(8):
            key = ("%s-%d-%d-%d-%d" % (name, os.getpid(), self.seed, self.round, attempt)).encode()
            longer = None if timeout is None else timeout * 2**attempt
            call = self.channel.unary_stream(SERVICE + "Hold")(key, timeout=longer)
            try:
                assert next(call) == key
                return key, call
            except grpc.RpcError:
                assert timeout is not None, "hold: %s" % call.details()
        raise AssertionError("hold: no call began in time")

    def deadline(self):
        key, call = self.hold("deadline", 0.1)
        try:
            next(call)
        except grpc.RpcError:
            pass
        left = float(self.channel.unary_unary(SERVICE + "Timeout")(b"", timeout=20))
        none = self.channel.unary_unary(SERVICE + "Timeout")(b"")
        return {
            # A server of Go resets the stream at its own deadline, which may be a moment before ours.
            "code": call.code().name.replace("CANCELLED", "DEADLINE_EXCEEDED"),
            "app": self.unary("Cancelled", key),
            "left": 10_000 < left < 25_000,
            "none": none.decode(),
        }

    def cancel(self):
        key, call = self.hold("cancel")
        call.cancel()
        stream = self.channel.stream_stream(SERVICE + "Bidi")(iter(lambda: time.sleep(0.01) or b"more", b""))
        first = next(stream)
        stream.cancel()
        return {"app": self.unary("Cancelled", key), "first": first.decode(), "code": stream.code().name}

    def streams(self, count):
        """So many streams at once, messages interleaved, each half-closed at a moment of its own."""
        plans = []
        for _ in range(count):
            messages = [self.octets(self.random.randint(0, 700)) for _ in range(self.random.randint(0, 12))]
            plans.append((messages, self.metadata()))
        order = [(i, message) for i, (messages, _) in enumerate(plans) for message in messages]
        order += [(i, None) for i in range(count)]
        self.random.shuffle(order)
        queues = [Messages() for _ in plans]
        method = self.channel.stream_stream(SERVICE + "Bidi")
        calls = [method(queue, metadata=metadata) for queue, (_, metadata) in zip(queues, plans)]
        results = [None] * count

        def read(i):
            digest, number = hashlib.sha256(), 0
            try:
                for message in calls[i]:
                    digest.update(message)
                    number += 1
            except grpc.RpcError:
                pass
            results[i] = [number, digest.hexdigest(), pairs(calls[i].initial_metadata()), ended(calls[i])]

        readers = [threading.Thread(target=read, args=(i,)) for i in range(count)]
        for reader in readers:
            reader.start()
        sent = [hashlib.sha256() for _ in plans]
        closed = set()
        for i, message in order:
            if i in closed:
                continue
            if message is None:
                closed.add(i)
            else:
                sent[i].update(message)
            queues[i].put(message)
        for reader in readers:
            reader.join()
        for i, result in enumerate(results):
            assert result[1] == sent[i].hexdigest(), "stream %d: other octets came back" % i
        return results

    def play(self, streams):
        self.round += 1
        return {
            "unary": self.unaries(),
            "large": self.large(),
            "collect": self.collect(),
            "repeat": self.repeat(),
            "fails": self.fails(),
            "early": self.early(),
            "deadline": self.deadline(),
            "cancel": self.cancel(),
            "streams": self.streams(streams),
        }


class Messages:
    """An iterator that a stream reads from, and that ends with None."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()

    def put(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.changed:
            self.changed.wait_for(lambda: self.items)
            item = self.items.pop(0)
        if item is None:
            raise StopIteration
        return item


def main():
    target, authority, seed, kind, amount = sys.argv[1:6]
    streams = int(sys.argv[6]) if len(sys.argv) > 6 else 200
    client = Client(target, authority, int(seed))
    end = time.monotonic() + float(amount) if kind == "seconds" else None
    while client.round < int(amount) if end is None else time.monotonic() < end:
        print(json.dumps(client.play(streams), sort_keys=True), flush=True)
    client.channel.close()


if __name__ == "__main__":
    main()
