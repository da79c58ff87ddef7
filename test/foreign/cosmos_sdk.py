"""Microsoft's Python SDK for Cosmos DB (Debian's 3.1) against the stand-in: one line of JSON per check."""
import json
import os
import sys

import azure.cosmos.cosmos_client as cosmos_client
import azure.cosmos.errors as errors

CONTAINER = "dbs/python/colls/items"
KEYED = {"enableCrossPartitionQuery": True, "maxItemCount": 3}
client = cosmos_client.CosmosClient(os.environ["ENDPOINT"], {"masterKey": os.environ["KEY"]})
failed = False


def check(name, work):
    global failed
    error = None
    try:
        work()
    except Exception as reason:
        error = f"{type(reason).__name__}: {reason}"
        failed = True
    print(json.dumps({"check": name, "ok": error is None, "error": error}))


def same(seen, expected):
    if seen != expected:
        raise AssertionError(f"{seen} is not {expected}")


def refused(status, work):
    try:
        work()
    except errors.HTTPFailure as failure:
        same(failure.status_code, status)
        return
    raise AssertionError(f"it was not refused with {status}")


def definitions():
    client.CreateDatabase({"id": "python"})
    refused(409, lambda: client.CreateDatabase({"id": "python"}))
    key = {"paths": ["/pk"], "kind": "Hash", "version": 2}
    client.CreateContainer("dbs/python", {"id": "items", "partitionKey": key}, {"offerThroughput": 400})
    same([found["id"] for found in client.ReadContainers("dbs/python")], ["items"])
    same([offer["content"]["offerThroughput"] for offer in client.ReadOffers()], [400])


def items():
    for n in range(20):
        client.CreateItem(CONTAINER, {"id": f"i{n}", "pk": f"k{n % 5}", "n": n})
    refused(409, lambda: client.CreateItem(CONTAINER, {"id": "i3", "pk": "k3"}))
    same(client.ReadItem(f"{CONTAINER}/docs/i3", {"partitionKey": "k3"})["n"], 3)
    replaced = client.ReplaceItem(f"{CONTAINER}/docs/i3", {"id": "i3", "pk": "k3", "n": 30})
    same(client.UpsertItem(CONTAINER, {"id": "i3", "pk": "k3", "n": 3})["n"], 3)
    stale = {"partitionKey": "k3", "accessCondition": {"type": "IfMatch", "condition": replaced["_etag"]}}
    refused(412, lambda: client.DeleteItem(f"{CONTAINER}/docs/i3", stale))
    refused(404, lambda: client.ReadItem(f"{CONTAINER}/docs/none", {"partitionKey": "k3"}))


def queries():
    def rows(query, options):
        return list(client.QueryItems(CONTAINER, query, dict(options)))

    same(sorted(rows("SELECT VALUE c.n FROM c", {"partitionKey": "k1"})), [1, 6, 11, 16])
    same(sorted(rows("SELECT VALUE c.n FROM c WHERE c.n > 15", KEYED)), [16, 17, 18, 19])
    # This client takes the plan of what it must merge from the refusal of the query.
    same(rows("SELECT VALUE c.n FROM c ORDER BY c.n DESC", KEYED), list(reversed(range(20))))
    same(rows("SELECT VALUE COUNT(1) FROM c", KEYED), [20])
    refused(400, lambda: rows("SELECT * FROM c WHERE NO_SUCH(c.n)", KEYED))


def feed():
    seen = []
    for key_range in client._ReadPartitionKeyRanges(CONTAINER):
        options = {"startFromBeginning": True, "partitionKeyRangeId": key_range["id"]}
        seen += [item["n"] for item in client.QueryItemsChangeFeed(CONTAINER, options)]
    same(sorted(seen), list(range(20)))


def unsupported():
    refused(400, lambda: client.CreateStoredProcedure(CONTAINER, {"id": "s", "body": "function s() {}"}))


def wrong_key():
    stranger = cosmos_client.CosmosClient(os.environ["ENDPOINT"], {"masterKey": "A" * 86 + "=="})
    refused(401, lambda: list(stranger.ReadDatabases()))


for name, work in [
    ("databases and containers", definitions),
    ("items", items),
    ("queries, merged by the client", queries),
    ("the change feed by range", feed),
    ("stored procedures are refused", unsupported),
    ("a wrong key", wrong_key),
]:
    check(name, work)
sys.exit(1 if failed else 0)
