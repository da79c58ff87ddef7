"""Microsoft's Python SDK (azure-eventhub, its own AMQP stack, TLS) against the stand-in: one line of JSON per check."""
import json
import os
import sys
import threading
import time

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub._pyamqp.sasl import SASLTransport

# This version connects to port 5671 whatever the endpoint says.
SASLTransport.__init__.__kwdefaults__["port"] = int(os.environ["PORT"])

HUB = os.environ["HUB"]
OPTIONS = {"eventhub_name": HUB, "connection_verify": os.environ["CA_FILE"], "retry_total": 0}


def connection_string(key=os.environ["KEY"]):
    return f"Endpoint=sb://localhost/;SharedAccessKeyName={os.environ['KEY_NAME']};SharedAccessKey={key}"


def producer(**options):
    return EventHubProducerClient.from_connection_string(connection_string(), **{**OPTIONS, **options})


def consumer(group="$Default", store=None):
    return EventHubConsumerClient.from_connection_string(
        connection_string(), consumer_group=group, checkpoint_store=store, **OPTIONS
    )


def read(count, partition, position, **options):
    """Reads a partition until so many events have come, or 20 seconds have passed."""
    got, done, client = [], threading.Event(), consumer()

    def on_batch(context, events):
        got.extend(events)
        if options.get("track_last_enqueued_event_properties"):
            read.last = context.last_enqueued_event_properties
        if len(got) >= count:
            done.set()

    thread = threading.Thread(
        target=lambda: client.receive_batch(
            on_batch, partition_id=partition, starting_position=position, max_wait_time=1, **options
        )
    )
    thread.start()
    done.wait(20)
    client.close()
    thread.join()
    return got


def properties():
    with producer() as client:
        hub = client.get_eventhub_properties()
        assert hub["eventhub_name"] == HUB and hub["partition_ids"] == ["0", "1", "2", "3"], hub
        empty = client.get_partition_properties("3")
        assert empty["is_empty"] and empty["last_enqueued_sequence_number"] == -1, empty


def batches_and_positions():
    with producer() as client:
        batch = client.create_batch(partition_id="0")
        for number in range(100):
            event = EventData(json.dumps({"n": number}))
            event.properties = {"kind": "test", "n": number}
            event.content_type = "application/json"
            batch.add(event)
        client.send_batch(batch)
        assert client.get_partition_properties("0")["last_enqueued_sequence_number"] == 99
    got = read(100, "0", "-1")
    assert [event.body_as_json()["n"] for event in got] == list(range(100)), len(got)
    assert [event.sequence_number for event in got] == list(range(100))
    assert got[7].properties == {b"kind": b"test", b"n": 7}, got[7].properties
    assert got[7].content_type == "application/json", got[7].content_type
    assert len(read(49, "0", got[50].offset)) == 49
    assert len(read(50, "0", got[50].sequence_number - 1)) == 50
    after = read(100, "0", got[0].enqueued_time.replace(year=2020))
    assert len(after) == 100, len(after)


def a_key():
    with producer() as client:
        ends = {i: client.get_partition_properties(i)["last_enqueued_sequence_number"] for i in "0123"}
        batch = client.create_batch(partition_key="device-1")
        batch.add(EventData("keyed"))
        client.send_batch(batch)
        where = [i for i in "0123" if client.get_partition_properties(i)["last_enqueued_sequence_number"] > ends[i]]
    assert len(where) == 1, where
    (event,) = read(1, where[0], ends[where[0]])
    assert event.partition_key == b"device-1", event.partition_key


def runtime_metrics():
    read(100, "0", "-1", track_last_enqueued_event_properties=True)
    with producer() as client:
        end = client.get_partition_properties("0")
    assert read.last["sequence_number"] == end["last_enqueued_sequence_number"], read.last
    assert read.last["offset"] == end["last_enqueued_offset"], read.last


def a_megabyte():
    with producer() as client:
        batch = client.create_batch(partition_id="2")
        batch.add(EventData(b"x" * 900_000))
        client.send_batch(batch)
        before = client.get_partition_properties("2")["last_enqueued_sequence_number"]
        try:
            batch.add(EventData(b"x" * 200_000))
            raise AssertionError("the batch took more than a megabyte")
        except ValueError:
            pass
    (event,) = read(1, "2", before - 1)
    assert event.body_as_str() == "x" * 900_000


def all_partitions():
    with producer() as client:
        for number in range(40):
            batch = client.create_batch()
            batch.add(EventData(f"spread {number}"))
            client.send_batch(batch)
    got, done, client = set(), threading.Event(), consumer()

    def on_batch(_context, events):
        got.update(event.body_as_str() for event in events if event.body_as_str().startswith("spread"))
        if len(got) == 40:
            done.set()

    # In batches: one by one, this client waits 0.2 s at every idle partition for each event of a busy one.
    thread = threading.Thread(target=lambda: client.receive_batch(on_batch, starting_position="-1", max_wait_time=1))
    thread.start()
    done.wait(30)
    client.close()
    thread.join()
    assert len(got) == 40, len(got)


def a_wrong_key():
    client = EventHubProducerClient.from_connection_string(connection_string("d3Jvbmc="), **OPTIONS)
    try:
        client.get_eventhub_properties()
        raise AssertionError("it was let in")
    except AssertionError:
        raise
    except Exception as error:
        assert "auth" in type(error).__name__.lower() or "auth" in str(error).lower(), repr(error)
    finally:
        client.close()


CHECKS = [properties, batches_and_positions, a_key, runtime_metrics, a_megabyte, all_partitions, a_wrong_key]

for check in CHECKS:
    started = time.monotonic()
    try:
        check()
        result = {"check": check.__name__, "ok": True}
    except Exception as error:  # pylint: disable=broad-except
        result = {"check": check.__name__, "ok": False, "error": repr(error)}
    print(json.dumps(result), flush=True)
    print(f"{check.__name__}: {time.monotonic() - started:.1f} s", file=sys.stderr)
