"""A real Apache Kafka: one KRaft node that is broker and controller, from the jars of tests/downloads/kafka.jars.

    with Kafka(folder) as kafka:
        kafka.create_topic("transactions", partitions=4)
        kafka.write("transactions", lines)
        ... bootstrap.servers=kafka.plain

`secure=True` adds listeners with TLS and SASL/PLAIN, which stand for Event Hubs: `kafka.secure` shows a good
certificate of `kafka.authority`, `kafka.expired` one that has expired, `kafka.stranger` one for another host. The user
is `$ConnectionString`, the password `kafka.password`.
"""
from __future__ import annotations

import base64
import os
import subprocess
import uuid
from pathlib import Path
from typing import Iterable

from harness import build
from harness.children import Server, free_port, listens, mortal
from harness.downloads import jars

from .certificates import Authority
from .kafka_protocol import Admin

USER, KEY = "$ConnectionString", "c2VjcmV0LWtleQ=="


class Kafka:
    def __init__(self, folder: Path, *, secure: bool = False, idle_ms: int = 600_000, memory: str = "512m",
                 settings: dict[str, str] | None = None):
        self.folder = folder / "kafka"
        self.folder.mkdir(parents=True)
        self.memory = memory
        self.ports = {"PLAINTEXT": free_port(), "CONTROLLER": free_port()}
        self.with_tls = secure
        if secure:
            self.ports |= {"GOOD": free_port(), "EXPIRED": free_port(), "STRANGER": free_port()}
            self.password = self.connection_string()
        self.plain = f"127.0.0.1:{self.ports['PLAINTEXT']}"
        self.classpath = ":".join(map(str, jars("kafka")))
        self.properties = self.folder / "server.properties"
        lines = {**self._base(idle_ms), **(self._tls() if secure else {}), **(settings or {})}
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        self.server: Server | None = None
        self._format()

    # ---- configuration ----

    def _base(self, idle_ms: int) -> dict[str, str]:
        hosts = {name: "127.0.0.1" if name in ("PLAINTEXT", "CONTROLLER") else "localhost" for name in self.ports}
        protocols = {name: name if name == "PLAINTEXT" else "PLAINTEXT" if name == "CONTROLLER" else "SASL_SSL"
                     for name in self.ports}
        listeners = {name: f"{name}://{hosts[name]}:{port}" for name, port in self.ports.items()}
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.ports['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(listeners.values()),
            "advertised.listeners": ",".join(text for name, text in listeners.items() if name != "CONTROLLER"),
            "listener.security.protocol.map": ",".join(f"{name}:{what}" for name, what in protocols.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "logs"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "connections.max.idle.ms": str(idle_ms),
            "log.retention.ms": "-1",  # events of tests are old, and none is to go while a test is about to read it
        }

    def _tls(self) -> dict[str, str]:
        self.authority = Authority(self.folder / "tls")
        shown = {
            "GOOD": self.authority.server("good", ["localhost", "127.0.0.1"]),
            "EXPIRED": self.authority.server("expired", ["localhost"], expired=True),
            "STRANGER": self.authority.server("stranger", ["stranger.invalid"]),
        }
        self.secure, self.expired, self.stranger = (f"localhost:{self.ports[name]}" for name in shown)
        lines = {"sasl.enabled.mechanisms": "PLAIN"}
        for name, pem in shown.items():
            prefix = f"listener.name.{name.lower()}"
            lines |= {
                f"{prefix}.ssl.keystore.type": "PEM",
                f"{prefix}.ssl.keystore.location": str(pem),
                f"{prefix}.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
                                                    f'user_{USER}="{self.password}";',
            }
        return lines

    # ---- life ----

    def _java(self) -> list[str]:
        return ["java", f"-Xmx{self.memory}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-cp", self.classpath]

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        done = subprocess.run(mortal([*self._java(), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}",
                                      "-c", str(self.properties)]), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")

    def start(self) -> "Kafka":
        self.server = Server([*self._java(), "kafka.Kafka", self.properties], self.folder / "server.log")
        self.server.wait_until(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        if not all(listens(port) for port in self.ports.values()):
            return False
        try:
            self.admin().close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """The data stays: start() goes on with it."""
        if self.server:
            self.server.stop()

    def kill(self) -> None:
        if self.server:
            self.server.kill()

    def __enter__(self) -> "Kafka":
        return self.start()

    def __exit__(self, *_) -> None:
        self.kill()  # its data is thrown away anyway

    # ---- use ----

    def admin(self) -> Admin:
        return Admin(self.ports["PLAINTEXT"])

    def create_topic(self, name: str, partitions: int = 1, **settings: str) -> None:
        admin = self.admin()
        try:
            admin.create_topic(name, partitions, **settings)
        finally:
            admin.close()

    def write(self, topic: str, lines: Iterable[str] | Path, *options: str) -> None:
        """Payloads, one a line, each to a partition of its own choice: librdkafka's habit of staying with one for a
        while would leave some without any. A path is read by the producer itself: the fast way."""
        words = [str(kafka_tool()), "write", topic, "600", f"bootstrap.servers={self.plain}",
                 "sticky.partitioning.linger.ms=0", *options]
        if isinstance(lines, Path):
            with open(lines, "rb") as file:
                done = subprocess.run(mortal(words), stdin=file, capture_output=True, text=True)
        else:
            done = subprocess.run(mortal(words), input="".join(f"{line}\n" for line in lines), capture_output=True,
                                  text=True)
        if done.returncode:
            raise RuntimeError(f"cannot write to {topic}: {done.stdout}{done.stderr}")

    def connection_string(self, listener: str = "GOOD", key: str = KEY) -> str:
        """As Event Hubs' portal gives one of a namespace; of the good listener and key, it is the one that lets in."""
        return f"Endpoint=sb://localhost:{self.ports[listener]}/;SharedAccessKeyName=all;SharedAccessKey={key}"

    def secure_options(self, password: str | None = None, listener: str | None = None) -> list[str]:
        """For kafka_tool: as a client of Event Hubs would connect."""
        return [f"bootstrap.servers={listener or self.secure}", "security.protocol=SASL_SSL", "sasl.mechanism=PLAIN",
                f"sasl.username={USER}", f"secret:sasl.password={password or self.password}",
                f"ssl.ca.location={self.authority.certificate}"]


def kafka_tool() -> Path:
    given = os.environ.get("BOURN_KAFKA_TOOL")
    return Path(given) if given else build(targets=["tests/interop/kafka_tool"]) / "tests/interop/kafka_tool"
