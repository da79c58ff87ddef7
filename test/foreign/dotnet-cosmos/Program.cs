// The .NET client, in gateway mode, against the stand-in: one line of JSON per check.
using System.Net;
using System.Text.Json;
using Microsoft.Azure.Cosmos;

var failed = false;
using var client = new CosmosClient(Setting("ENDPOINT"), Setting("KEY"), new CosmosClientOptions
{
    ConnectionMode = ConnectionMode.Gateway,
    LimitToEndpoint = true,
    MaxRetryAttemptsOnRateLimitedRequests = 3,
});
Database database = (await client.CreateDatabaseIfNotExistsAsync("dotnet")).Database;

await Check("a container is made, read, and there once", async () =>
{
    var made = await database.CreateContainerIfNotExistsAsync(new ContainerProperties("definitions", "/pk") { DefaultTimeToLive = 60 }, 400);
    Assert(made.StatusCode == HttpStatusCode.Created, made.StatusCode);
    var again = await database.CreateContainerIfNotExistsAsync("definitions", "/pk");
    Assert(again.StatusCode == HttpStatusCode.OK && again.Resource.DefaultTimeToLive == 60, again.Resource);
    Assert(await made.Container.ReadThroughputAsync() == 400, "throughput");
    await Fails(HttpStatusCode.Conflict, () => database.CreateContainerAsync("definitions", "/pk"));
});

await Check("items are created, read, replaced, upserted, patched and deleted", async () =>
{
    var container = await Made("points");
    var created = await container.CreateItemAsync(new Item("a", "p", 1), new PartitionKey("p"));
    Assert(created.StatusCode == HttpStatusCode.Created && created.RequestCharge > 0, created.StatusCode);
    Assert((await container.ReadItemAsync<Item>("a", new PartitionKey("p"))).Resource.n == 1, "read");
    var replaced = await container.ReplaceItemAsync(new Item("a", "p", 2), "a", new PartitionKey("p"), new ItemRequestOptions { IfMatchEtag = created.ETag });
    await Fails(HttpStatusCode.PreconditionFailed, () => container.ReplaceItemAsync(new Item("a", "p", 3), "a", new PartitionKey("p"), new ItemRequestOptions { IfMatchEtag = created.ETag }));
    var upserted = await container.UpsertItemAsync(new Item("b", "p", 1));
    Assert(upserted.StatusCode == HttpStatusCode.Created, upserted.StatusCode);
    var patched = await container.PatchItemAsync<Item>("a", new PartitionKey("p"), [PatchOperation.Increment("/n", 5)], new PatchItemRequestOptions { FilterPredicate = "FROM c WHERE c.n = 2" });
    Assert(patched.Resource.n == 7, patched.Resource);
    await Fails(HttpStatusCode.PreconditionFailed, () => container.PatchItemAsync<Item>("a", new PartitionKey("p"), [PatchOperation.Set("/n", 5)], new PatchItemRequestOptions { FilterPredicate = "FROM c WHERE c.n = 2" }));
    await container.DeleteItemAsync<Item>("a", new PartitionKey("p"));
    await Fails(HttpStatusCode.NotFound, () => container.ReadItemAsync<Item>("a", new PartitionKey("p")));
    await Fails(HttpStatusCode.Conflict, () => container.CreateItemAsync(new Item("b", "p", 1)));
});

await Check("a missing container is 404 with sub-status 1003", async () =>
{
    var failure = await Fails(HttpStatusCode.NotFound, () => database.GetContainer("none").CreateItemAsync(new Item("a", "p", 1)));
    Assert(failure.SubStatusCode == 1003, failure.SubStatusCode);
});

await Check("queries of one partition and of all, merged by the client", async () =>
{
    var container = await Made("queries");
    for (var n = 0; n < 60; n += 1) await container.CreateItemAsync(new Item($"i{n}", $"key{n % 17}", n * 7 % 60));
    var one = await Rows<Item>(container, "SELECT * FROM c", "key3");
    Assert(one.Count == 4 && one.All(item => item.pk == "key3"), one);
    Assert((await Rows<int>(container, "SELECT VALUE c.n FROM c ORDER BY c.n")).SequenceEqual(Enumerable.Range(0, 60)), "order");
    Assert((await Rows<int>(container, "SELECT VALUE c.n FROM c ORDER BY c.n DESC OFFSET 5 LIMIT 3")).SequenceEqual([54, 53, 52]), "offset");
    Assert((await Rows<int>(container, "SELECT VALUE COUNT(1) FROM c")).SequenceEqual([60]), "count");
    Assert((await Rows<double>(container, "SELECT VALUE AVG(c.n) FROM c")).SequenceEqual([29.5]), "average");
    Assert((await Rows<int>(container, "SELECT DISTINCT VALUE c.n % 3 FROM c")).Order().SequenceEqual([0, 1, 2]), "distinct");
    var groups = await Rows<Group>(container, "SELECT c.pk, COUNT(1) AS n FROM c GROUP BY c.pk");
    Assert(groups.Count == 17 && groups.Sum(group => group.n) == 60, groups);
    await Fails(HttpStatusCode.BadRequest, () => Rows<Item>(container, "SELECT * FROM c WHERE NO_SUCH(c.n)"));
});

await Check("hierarchical keys, and a query under a prefix", async () =>
{
    var container = (await database.CreateContainerAsync(new ContainerProperties("hierarchy", new List<string> { "/pk", "/id" }))).Container;
    foreach (var pk in new[] { "t1", "t10" }) foreach (var id in new[] { "x", "y" }) await container.CreateItemAsync(new Item(id, pk, 1));
    Assert((await container.ReadItemAsync<Item>("y", new PartitionKeyBuilder().Add("t10").Add("y").Build())).Resource.pk == "t10", "read");
    var prefix = new QueryRequestOptions { PartitionKey = new PartitionKeyBuilder().Add("t1").Build() };
    Assert((await All(container.GetItemQueryIterator<Item>("SELECT * FROM c", requestOptions: prefix))).All(item => item.pk == "t1"), "prefix");
});

await Check("the change feed is pulled, and resumed", async () =>
{
    var container = await Made("feed");
    for (var n = 0; n < 10; n += 1) await container.CreateItemAsync(new Item($"i{n}", $"k{n}", n));
    using var first = container.GetChangeFeedIterator<Item>(ChangeFeedStartFrom.Beginning(), ChangeFeedMode.LatestVersion);
    var (seen, continuation) = await Changes(first);
    Assert(seen.Count == 10, seen);
    await container.UpsertItemAsync(new Item("i3", "k3", 33));
    using var next = container.GetChangeFeedIterator<Item>(ChangeFeedStartFrom.ContinuationToken(continuation), ChangeFeedMode.LatestVersion);
    var (later, _) = await Changes(next);
    Assert(later.Count == 1 && later[0].n == 33, later);
});

await Check("throttling is waited out", async () =>
{
    var container = await Made("throttled");
    using var http = new HttpClient();
    await http.PostAsync($"{Setting("ENDPOINT")}/$faults", new StringContent("""{"kind":"throttle","count":2,"operation":"create","container":"throttled"}"""));
    Assert((await container.CreateItemAsync(new Item("a", "p", 1))).StatusCode == HttpStatusCode.Created, "created");
});

await Check("a batch, which this client sends in binary, is refused by name", async () =>
{
    var container = await Made("batch");
    var answer = await container.CreateTransactionalBatch(new PartitionKey("p")).CreateItem(new Item("a", "p", 1)).ExecuteAsync();
    Assert(answer.StatusCode == HttpStatusCode.BadRequest && answer.ErrorMessage.Contains("HybridRow"), answer.ErrorMessage);
});

await Check("a wrong key", async () =>
{
    using var stranger = new CosmosClient(Setting("ENDPOINT"), Convert.ToBase64String(new byte[64]), new CosmosClientOptions { ConnectionMode = ConnectionMode.Gateway, LimitToEndpoint = true });
    await Fails(HttpStatusCode.Unauthorized, () => stranger.GetDatabase("dotnet").ReadAsync());
});

return failed ? 1 : 0;

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

async Task<Container> Made(string id) => (await database.CreateContainerAsync(id, "/pk")).Container;

async Task<List<T>> Rows<T>(Container container, string query, string? partition = null) =>
    await All(container.GetItemQueryIterator<T>(query, requestOptions: new QueryRequestOptions
    {
        MaxItemCount = 7,
        PartitionKey = partition is null ? null : new PartitionKey(partition),
    }));

static async Task<List<T>> All<T>(FeedIterator<T> iterator)
{
    var rows = new List<T>();
    while (iterator.HasMoreResults) rows.AddRange(await iterator.ReadNextAsync());
    return rows;
}

static async Task<(List<Item>, string)> Changes(FeedIterator<Item> iterator)
{
    var seen = new List<Item>();
    while (true)
    {
        var page = await iterator.ReadNextAsync();
        if (page.StatusCode == HttpStatusCode.NotModified) return (seen, page.ContinuationToken);
        seen.AddRange(page);
    }
}

static void Assert(bool holds, object seen)
{
    if (!holds) throw new InvalidOperationException($"not so: {JsonSerializer.Serialize(seen)}");
}

static async Task<CosmosException> Fails(HttpStatusCode status, Func<Task> attempt)
{
    try
    {
        await attempt();
    }
    catch (CosmosException failure) when (failure.StatusCode == status)
    {
        return failure;
    }
    throw new InvalidOperationException($"it did not fail with {status}");
}

async Task Check(string name, Func<Task> check)
{
    string? error = null;
    try
    {
        await check();
    }
    catch (Exception failure)
    {
        error = failure.ToString();
        failed = true;
    }
    Console.WriteLine(JsonSerializer.Serialize(new { check = name, ok = error is null, error }));
}

internal sealed record Item(string id, string pk, int n);

internal sealed record Group(string pk, int n);
