"""Apache Qpid Proton (PLAIN, messages of format 0) against the stand-in: one line of JSON per check."""
import json
import os

from proton import Delivery, Message, int32, symbol
from proton.reactor import Filter
from proton.utils import BlockingConnection, LinkDetached, SendException
from proton import Described

HUB, PORT = os.environ["HUB"], os.environ["PORT"]
WAIT_S = 20


def connect(key=os.environ["KEY"]):
    return BlockingConnection(
        f"amqp://127.0.0.1:{PORT}",
        user=os.environ["KEY_NAME"],
        password=key,
        allow_insecure_mechs=True,
        allowed_mechs="PLAIN",
        timeout=WAIT_S,
    )


def selector(text):
    name = symbol("apache.org:selector-filter:string")
    return Filter({name: Described(name, text)})


def source(partition):
    return f"{HUB}/ConsumerGroups/$Default/Partitions/{partition}"


def read(connection, count, partition, position=None):
    receiver = connection.create_receiver(
        source(partition), credit=count, options=None if position is None else selector(position)
    )
    got = []
    for _ in range(count):
        got.append(receiver.receive(WAIT_S))
        receiver.accept()
    receiver.close()
    return got


def what_is_sent_is_read():
    connection = connect()
    sender = connection.create_sender(f"{HUB}/Partitions/1")
    for number in range(50):
        delivery = sender.send(Message(body=f"event {number}", properties={"n": int32(number)}))
        assert delivery.remote_state == Delivery.ACCEPTED, delivery.remote_state
    got = read(connection, 50, "1")
    assert [message.body for message in got] == [f"event {n}" for n in range(50)]
    assert [message.properties["n"] for message in got] == list(range(50))
    assert [message.annotations["x-opt-sequence-number"] for message in got] == list(range(50))
    after = read(connection, 9, "1", "amqp.annotation.x-opt-sequence-number > '40'")
    assert after[0].body == "event 41", after[0].body
    connection.close()


def a_key_decides():
    connection = connect()
    sender = connection.create_sender(HUB)
    for _ in range(3):
        sender.send(Message(body="keyed", annotations={symbol("x-opt-partition-key"): "device-1"}))
    (first, *_rest) = read(connection, 3, "0")
    assert first.annotations["x-opt-partition-key"] == "device-1", first.annotations
    connection.close()


def a_large_message():
    connection = connect()
    sender = connection.create_sender(f"{HUB}/Partitions/2")
    sender.send(Message(body=b"x" * 900_000))
    (got,) = read(connection, 1, "2")
    assert bytes(got.body) == b"x" * 900_000, len(got.body)
    try:
        sender.send(Message(body=b"x" * 1_200_000))
        raise AssertionError("more than a megabyte was taken")
    except SendException as refused:
        assert refused.state == Delivery.REJECTED, refused.state
    connection.close()


def what_does_not_exist_is_refused():
    connection = connect()
    for attempt in (
        lambda: connection.create_sender("nothing"),
        lambda: connection.create_receiver(f"{HUB}/ConsumerGroups/nobody/Partitions/0"),
        lambda: connection.create_receiver(source("9")),
    ):
        try:
            attempt()
            raise AssertionError("it was taken")
        except LinkDetached as refused:
            assert "not" in str(refused) or "invalid" in str(refused), str(refused)
    connection.close()


def a_wrong_key():
    try:
        connect("wrong").close()
    except Exception as refused:  # pylint: disable=broad-except
        assert "unauthorized" in str(refused).lower() or "sasl" in str(refused).lower(), str(refused)
        return
    raise AssertionError("it was let in")


for check in (what_is_sent_is_read, a_key_decides, a_large_message, what_does_not_exist_is_refused, a_wrong_key):
    try:
        check()
        result = {"check": check.__name__, "ok": True}
    except Exception as error:  # pylint: disable=broad-except
        result = {"check": check.__name__, "ok": False, "error": repr(error)}
    print(json.dumps(result), flush=True)
