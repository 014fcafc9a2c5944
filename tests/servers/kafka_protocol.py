"""Just enough of Kafka's protocol to administer a test broker without a Java start or a package: create and delete
topics, cut a log's head off, ask for offsets. Requests are of the oldest versions that say what is needed; layouts are
from kafka.apache.org/protocol."""
from __future__ import annotations

import socket
import struct
import time

CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, OFFSET_FETCH, LIST_OFFSETS, METADATA = 19, 20, 21, 9, 2, 3
NOT_YET = {5, 14, 15, 16, 3}  # leader not available, coordinator loading / not available / not here, unknown partition


def text(s: str) -> bytes:
    raw = s.encode()
    return struct.pack(">h", len(raw)) + raw


def array(items: list[bytes]) -> bytes:
    return struct.pack(">i", len(items)) + b"".join(items)


class Answer:
    def __init__(self, raw: bytes):
        self.raw, self.at = raw, 0

    def number(self, code: str) -> int:
        value, = struct.unpack_from(">" + code, self.raw, self.at)
        self.at += struct.calcsize(code)
        return value

    def text(self) -> str | None:
        size = self.number("h")
        if size < 0:
            return None
        self.at += size
        return self.raw[self.at - size:self.at].decode()

    def each(self, read) -> list:
        return [read() for _ in range(self.number("i"))]


class Admin:
    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.correlation = 0

    def close(self) -> None:
        self.socket.close()

    def ask(self, api: int, version: int, body: bytes) -> Answer:
        self.correlation += 1
        message = struct.pack(">hhi", api, version, self.correlation) + text("bourn-tests") + body
        self.socket.sendall(struct.pack(">i", len(message)) + message)
        size, = struct.unpack(">i", self._exactly(4))
        answer = Answer(self._exactly(size))
        assert answer.number("i") == self.correlation
        return answer

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError("the broker closed the connection")
            got += more
        return got

    def create_topic(self, name: str, partitions: int = 1, **settings: str) -> None:
        """Settings are the topic's, with _ for . in their names."""
        configs = array([text(key.replace("_", ".")) + text(str(value)) for key, value in settings.items()])
        topic = text(name) + struct.pack(">ih", partitions, 1) + array([]) + configs
        answer = self.ask(CREATE_TOPICS, 2, array([topic]) + struct.pack(">i?", 30000, False))
        answer.number("i")
        for topic_name, error, why in answer.each(lambda: (answer.text(), answer.number("h"), answer.text())):
            if error:
                raise RuntimeError(f"cannot create topic {topic_name}: {why} (error {error})")
        self._wait_for_leaders(name, partitions)

    def _wait_for_leaders(self, name: str, partitions: int) -> None:
        until = time.monotonic() + 120
        while True:
            errors = [error for error, _ in self._list_offsets(name, partitions, -1)]
            if not any(errors):
                return
            if time.monotonic() > until or set(errors) - NOT_YET - {0, 6}:
                raise RuntimeError(f"topic {name} has no leaders: errors {errors}")
            time.sleep(0.02)

    def delete_topic(self, name: str) -> None:
        answer = self.ask(DELETE_TOPICS, 1, array([text(name)]) + struct.pack(">i", 30000))
        answer.number("i")
        for topic, error in answer.each(lambda: (answer.text(), answer.number("h"))):
            if error:
                raise RuntimeError(f"cannot delete topic {topic}: error {error}")

    def delete_records(self, topic: str, partition: int, before: int) -> int:
        """What retention does, now: answers the oldest offset left."""
        body = array([text(topic) + array([struct.pack(">iq", partition, before)])]) + struct.pack(">i", 30000)
        answer = self.ask(DELETE_RECORDS, 0, body)
        answer.number("i")
        (_, ((_, low, error),)), = answer.each(lambda: (answer.text(), answer.each(
            lambda: (answer.number("i"), answer.number("q"), answer.number("h")))))
        if error:
            raise RuntimeError(f"cannot delete records of {topic}/{partition}: error {error}")
        return low

    def _list_offsets(self, topic: str, partitions: int, when: int) -> list[tuple[int, int]]:
        wanted = array([struct.pack(">iq", partition, when) for partition in range(partitions)])
        answer = self.ask(LIST_OFFSETS, 1, struct.pack(">i", -1) + array([text(topic) + wanted]))
        (_, found), = answer.each(lambda: (answer.text(), answer.each(
            lambda: (answer.number("i"), answer.number("h"), answer.number("q"), answer.number("q")))))
        return [(error, offset) for _, error, _, offset in sorted(found)]

    def end_offsets(self, topic: str, partitions: int = 1) -> list[int]:
        return [offset for _, offset in self._list_offsets(topic, partitions, -1)]

    def committed(self, group: str, topic: str, partitions: int = 1) -> list[int]:
        """-1: none."""
        body = text(group) + array([text(topic) + array([struct.pack(">i", p) for p in range(partitions)])])
        answer = self.ask(OFFSET_FETCH, 1, body)
        (_, found), = answer.each(lambda: (answer.text(), answer.each(
            lambda: (answer.number("i"), answer.number("q"), answer.text(), answer.number("h")))))
        return [-1 if error else offset for _, offset, _, error in sorted(found)]
