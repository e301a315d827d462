"""Stock Kafka clients with the certificate of province 37, and clients without any, on the cluster as the demo runs it.

Every refusal is the broker's own, with Kafka's error code: nothing of the exchange's software is between these clients
and the broker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from pipeline.kafka.security import ssl_context
from tests.secured import ACLS, CONFIGS, CONSOLE_CONSUMER, TOPICS, Secured, secured

PATIENCE = 30.0
TOPIC, GROUP = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
CLUSTER, TRANSACTION = KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
OWN, FOREIGN = "hedx.37.requests", "hedx.32.requests"
INSIDE = (
    "hedx.center.applications",
    "hedx.center.join",
    "hedx.center.results",
    "hedx.center.intake.changelog",
    "hedx.events",
    "hedx.deadletters",
)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The cluster, with one record in each inbox of 32 and 37, so that reading could succeed."""
    with secured(tmp_path_factory.mktemp("secured")) as cluster:
        producer = Producer(cluster.client("center"))
        for topic in (OWN, FOREIGN, "hedx.32.responses", "hedx.37.responses"):
            producer.produce(topic, b"sealed", partition=0)
        assert producer.flush(PATIENCE) == 0
        yield cluster


def read(kafka: Secured, principal: str, topic: str, group: str) -> bytes | int | None:
    """The first value of a topic for a stock consumer that subscribes to it, or the code of the broker's error."""
    consumer = Consumer(kafka.client(principal, group_id=group, auto_offset_reset="earliest"))
    try:
        consumer.subscribe([topic])
        return answer(consumer)
    finally:
        consumer.close()


def answer(consumer: Consumer) -> bytes | int | None:
    """The next value, or the code of the broker's error."""
    message = consumer.poll(PATIENCE)
    assert message is not None, "neither a record nor an error"
    failure = message.error()
    return message.value() if failure is None else failure.code()


def write(kafka: Secured, principal: str, topic: str) -> int | None:
    """What a stock producer is told about one record: None, or the code of the broker's error."""
    told: list[KafkaError | None] = []
    producer = Producer(kafka.client(principal))
    producer.produce(topic, b"forged", on_delivery=lambda error, _: told.append(error))
    producer.flush(PATIENCE)
    return None if told[0] is None else told[0].code()


def refusal(act: Callable[[], Any]) -> int:
    """The code with which the broker refuses `act`, which must not succeed."""
    with pytest.raises(KafkaException) as refused:
        act()
    code: int = refused.value.args[0].code()
    return code


# -- with the certificate of 37, from its address: its own ---------------------------------------------------------------


def test_37_reads_its_own_inbox(kafka: Secured) -> None:
    """What the other tests see refused works with the right topic and group, so it is not the client that is broken."""
    assert read(kafka, "P37", OWN, "hedx.37.trial") == b"sealed"
    assert read(kafka, "P37", "hedx.37.responses", "hedx.37.trial") == b"sealed"


@pytest.mark.parametrize("topic", ["hedx.center.requests", "hedx.center.responses", "hedx.checkpoints"])
def test_37_writes_to_the_center(kafka: Secured, topic: str) -> None:
    """A province's producer may write to the inboxes of the center, and its own tree heads."""
    assert write(kafka, "P37", topic) is None


def test_37_sees_no_foreign_topic(kafka: Secured) -> None:
    """The list of topics that a province gets has nothing in it that it may not use."""
    assert sorted(AdminClient(kafka.client("P37")).list_topics(timeout=PATIENCE).topics) == [
        "hedx.37.requests",
        "hedx.37.responses",
        "hedx.bulletin",
        "hedx.catalog",
        "hedx.center.requests",
        "hedx.center.responses",
        "hedx.checkpoints",
        "hedx.trust",
    ]


# -- with the certificate of 37: everybody else's ----------------------------------------------------------------------


@pytest.mark.parametrize("topic", [FOREIGN, "hedx.32.responses", "hedx.center.requests", *INSIDE])
def test_37_reads_nothing_foreign(kafka: Secured, topic: str) -> None:
    """Neither another province's inboxes, nor the center's, nor what is inside the center."""
    assert read(kafka, "P37", topic, "hedx.37.trial") == TOPIC


@pytest.mark.parametrize("topic", [FOREIGN, "hedx.32.responses", *INSIDE])
def test_37_fetches_nothing_foreign_by_a_bare_request(kafka: Secured, topic: str) -> None:
    """A client that asks for no metadata and joins no group, but sends the fetch itself, is refused the records."""
    assert fetch(BoundLoop, kafka, OWN) == 0
    assert fetch(BoundLoop, kafka, topic) == TOPIC


@pytest.mark.parametrize(
    "topic", [OWN, "hedx.37.responses", FOREIGN, "hedx.32.responses", "hedx.catalog", "hedx.trust", *INSIDE]
)
def test_37_writes_to_nobody_but_the_center(kafka: Secured, topic: str) -> None:
    """No forged requests for others or for itself, no catalog and trust entries, no facts, nothing inside the center."""
    assert write(kafka, "P37", topic) == TOPIC


@pytest.mark.parametrize("group", ["hedx.32.answer", "hedx.center.intake", "hedx.ops.watch.1", "elsewhere"])
def test_37_joins_no_foreign_group(kafka: Secured, group: str) -> None:
    """It cannot take partitions from another's consumers, even of a topic that it may read."""
    assert read(kafka, "P37", OWN, group) == GROUP


@pytest.mark.parametrize(
    "name", ["hedx.center.setup", "hedx.center.intake.0", "hedx.32.posts", "hedx.37.posts", "elsewhere"]
)
def test_37_opens_no_transaction(kafka: Secured, name: str) -> None:
    """Under another's id it would end the other's; under its own, left open, it would hold up all who read the inboxes."""
    producer = Producer(kafka.client("P37", transactional_id=name))
    assert refusal(lambda: producer.init_transactions(PATIENCE)) == TRANSACTION


def right_to_read(topic: str) -> AclBinding:
    """A rule that lets 37 read `topic` from anywhere."""
    return AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:P37",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )


def only(answers: dict[Any, Any]) -> Any:
    """The answer to a question about one thing."""
    [future] = answers.values()
    return future.result(PATIENCE)


def altered(kind: ResourceType, name: str, key: str) -> ConfigResource:
    """A change of one setting."""
    entry = ConfigEntry(key, "1000", incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(kind, name, incremental_configs=[entry])


ADMINISTRATION: dict[str, tuple[Callable[[AdminClient], Any], int]] = {
    "create a topic": (lambda it: only(it.create_topics([NewTopic("hedx.37.secret", 1, 1)])), TOPIC),
    "delete another's topic": (lambda it: only(it.delete_topics([FOREIGN])), TOPIC),
    "delete its own topic": (lambda it: only(it.delete_topics([OWN])), TOPIC),
    "grow its own topic": (lambda it: only(it.create_partitions([NewPartitions(OWN, 9)])), TOPIC),
    "delete records": (lambda it: only(it.delete_records([TopicPartition(OWN, 0, 1)])), TOPIC),
    "give itself a right": (lambda it: only(it.create_acls([right_to_read(FOREIGN)])), CLUSTER),
    "shorten a retention": (
        lambda it: only(it.incremental_alter_configs([altered(ResourceType.TOPIC, OWN, "retention.ms")])),
        TOPIC,
    ),
    "change the broker": (
        lambda it: only(it.incremental_alter_configs([altered(ResourceType.BROKER, "1", "message.max.bytes")])),
        CLUSTER,
    ),
    "read the broker's settings": (
        lambda it: only(it.describe_configs([ConfigResource(ResourceType.BROKER, "1")])),
        CLUSTER,
    ),
    "read another's offsets": (
        lambda it: only(it.list_consumer_group_offsets([ConsumerGroupTopicPartitions("hedx.32.answer")])),
        GROUP,
    ),
    "move another's offsets": (
        lambda it: only(
            it.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions("hedx.center.intake", [TopicPartition(OWN, 0, 0)])]
            )
        ),
        GROUP,
    ),
    "look at the center's group": (lambda it: only(it.describe_consumer_groups(["hedx.center.intake"])), GROUP),
    "delete another's group": (lambda it: only(it.delete_consumer_groups(["hedx.32.answer"])), GROUP),
}


@pytest.mark.parametrize("deed", ADMINISTRATION)
def test_37_administers_nothing(kafka: Secured, deed: str) -> None:
    """No topic, record, right, setting or foreign group changes or shows itself, not even of its own topics."""
    act, code = ADMINISTRATION[deed]
    client = AdminClient(kafka.client("P37"))
    assert refusal(lambda: act(client)) == code


@pytest.mark.parametrize("principal", ["ops", "center", "P32"])
def test_no_principal_but_the_operator_grants_rights(kafka: Secured, principal: str) -> None:
    """The watch, the center and the other provinces have no right on the cluster either."""
    client = AdminClient(kafka.client(principal))
    assert refusal(lambda: only(client.create_acls([right_to_read(FOREIGN)]))) == CLUSTER


def test_the_watch_reads_facts_and_no_inbox(kafka: Secured) -> None:
    """The operations' certificate opens no inbox, sealed as it is."""
    assert read(kafka, "ops", OWN, "hedx.ops.trial") == TOPIC
    assert write(kafka, "ops", "hedx.events") == TOPIC


# -- Kafka's own programs -------------------------------------------------------------------------------------------------


def test_kafkas_own_consumer_is_refused_too(kafka: Secured) -> None:
    """The console consumer of Apache Kafka, in Java, with 37's certificate: its own inbox, and nothing of 32."""
    once = ("--max-messages", "1", "--timeout-ms", "15000", "--from-beginning")
    own = kafka.tool(CONSOLE_CONSUMER, "P37", "--topic", OWN, "--group", "hedx.37.java", *once)
    assert "sealed" in own.splitlines()
    foreign = kafka.tool(CONSOLE_CONSUMER, "P37", "--topic", FOREIGN, "--group", "hedx.37.java", *once)
    assert f"TopicAuthorizationException: Not authorized to access topics: [{FOREIGN}]" in foreign
    group = kafka.tool(CONSOLE_CONSUMER, "P37", "--topic", OWN, "--group", "hedx.32.answer", *once)
    assert "GroupAuthorizationException: Not authorized to access group: hedx.32.answer" in group
    assert "sealed" not in [*foreign.splitlines(), *group.splitlines()]


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (ACLS, ("--list",)),
        (ACLS, ("--add", "--allow-principal", "User:P37", "--operation", "All", "--topic", "*", "--force")),
        (
            CONFIGS,
            ("--alter", "--entity-type", "users", "--entity-name", "P37", "--delete-config", "producer_byte_rate"),
        ),
        (CONFIGS, ("--describe", "--entity-type", "users")),
    ],
    ids=["list rights", "add a right", "lift its quota", "read quotas"],
)
def test_kafkas_own_tools_change_nothing(kafka: Secured, program: str, arguments: tuple[str, ...]) -> None:
    """The tools for rights and quotas get Kafka's refusal on the cluster, and show nothing."""
    said = kafka.tool(program, "P37", *arguments)
    assert "ClusterAuthorizationException" in said
    assert "P32" not in said


def test_kafkas_own_tool_lists_permitted_topics_only(kafka: Secured) -> None:
    """`kafka-topics --list` with 37's certificate names no topic of 32."""
    listed = kafka.tool(TOPICS, "P37", "--list").split()
    assert OWN in listed
    assert FOREIGN not in listed


# -- addresses and suspension ---------------------------------------------------------------------------------------------


class BoundLoop(asyncio.SelectorEventLoop):
    """An event loop whose connections come from one address of this machine."""

    source = "127.0.0.1"

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """As the event loop's, from `source`."""
        return await super().create_connection(*arguments, **{**options, "local_addr": (self.source, 0)})


class UnregisteredLoop(BoundLoop):
    """One whose connections come from an address that nobody has registered."""

    source = "127.0.0.9"


def connection(kafka: Secured) -> dict[str, Any]:
    """How a stock aiokafka client with 37's certificate connects."""
    context = ssl_context(kafka.installation.transport("P37"))
    return {"bootstrap_servers": kafka.bootstrap, "security_protocol": "SSL", "ssl_context": context}


def read_from(loop: type[BoundLoop], kafka: Secured) -> bytes | None:
    """The first value of 37's inbox for a stock aiokafka consumer whose connections come from the loop's address."""

    async def one() -> bytes | None:
        unread = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
        consumer = aiokafka.AIOKafkaConsumer(OWN, group_id="hedx.37.address", **unread, **connection(kafka))
        try:
            await consumer.start()
            message = await asyncio.wait_for(consumer.getone(), PATIENCE)
            value: bytes | None = message.value
            return value
        finally:
            await consumer.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(one())


def fetch(loop: type[BoundLoop], kafka: Secured, topic: str) -> int:
    """Kafka's error code for one bare fetch from `topic`; 0 for none."""

    async def one() -> int:
        client = AIOKafkaClient(**connection(kafka))
        await client.bootstrap()
        try:
            [node] = client.cluster.brokers()
            asked = FetchRequest(100, 1, 1_000_000, 0, [(topic, [(0, 0, 1_000_000)])])
            [[_, [partition]]] = (await client.send(node.nodeId, asked)).topics
            code: int = partition[1]
            return code
        finally:
            await client.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(one())


def test_registered_address_is_let_in(kafka: Secured) -> None:
    """The stock client of the next test works from 127.0.0.1, so it is only the address that the broker minds."""
    assert read_from(BoundLoop, kafka) == b"sealed"
    assert fetch(BoundLoop, kafka, OWN) == 0


def test_unregistered_address_is_refused(kafka: Secured) -> None:
    """The right certificate from 127.0.0.9, which 37 has not registered, opens neither topic nor group (Art. 5)."""
    with pytest.raises(TopicAuthorizationFailedError):
        read_from(UnregisteredLoop, kafka)
    assert fetch(UnregisteredLoop, kafka, OWN) == TOPIC


def test_new_address_is_let_in_and_the_old_one_no_longer(kafka: Secured) -> None:
    """A change of address with overlap: both, then the new one alone; the broker is not restarted."""
    try:
        kafka.admit(["127.0.0.1", "127.0.0.9"])
        assert [fetch(loop, kafka, OWN) for loop in (BoundLoop, UnregisteredLoop)] == [0, 0]
        kafka.admit(["127.0.0.9"])
        assert [fetch(loop, kafka, OWN) for loop in (BoundLoop, UnregisteredLoop)] == [TOPIC, 0]
        assert read_from(UnregisteredLoop, kafka) == b"sealed"
    finally:
        kafka.admit()


def test_suspension_cuts_a_live_client_off_within_a_second(kafka: Secured) -> None:
    """A consumer that reads and a producer that writes lose the right at once, connections open or not; 32 goes on."""
    consumer = Consumer(kafka.client("P37", group_id="hedx.37.live", enable_auto_commit=False, fetch_wait_max_ms=100))
    consumer.assign([TopicPartition(OWN, 0, 0)])
    assert answer(consumer) == b"sealed"
    try:
        kafka.admit(suspended={"37"})
        deadline, told = time.monotonic() + 1, set[Any]()
        while TOPIC not in told and time.monotonic() < deadline:
            told.add(answer(consumer))
        assert {TOPIC} <= told <= {TOPIC, GROUP}
        assert write(kafka, "P37", "hedx.center.requests") == TOPIC
        assert write(kafka, "P32", "hedx.center.requests") is None
    finally:
        kafka.admit()
        consumer.close()
    assert read(kafka, "P37", OWN, "hedx.37.back") == b"sealed"


def test_suspension_outweighs_every_right(kafka: Secured) -> None:
    """A rule that allows, added by mistake beside a suspension, does not let the party in: denial wins."""
    operator = AdminClient(kafka.client("admin"))
    allowed = right_to_read(OWN)
    try:
        kafka.admit(suspended={"37"})
        only(operator.create_acls([allowed]))
        assert read(kafka, "P37", OWN, "hedx.37.trial") == GROUP
        assert fetch(BoundLoop, kafka, OWN) == TOPIC
    finally:
        kafka.admit()
