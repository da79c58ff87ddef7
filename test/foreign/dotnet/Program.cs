// The .NET client, which the real Functions host uses, against the stand-in: one line of JSON per check.
using System.Collections.Concurrent;
using System.Text.Json;
using Azure.Messaging.EventHubs;
using Azure.Messaging.EventHubs.Consumer;
using Azure.Messaging.EventHubs.Primitives;
using Azure.Messaging.EventHubs.Processor;
using Azure.Messaging.EventHubs.Producer;

var hub = Setting("HUB");
var connectionString = ConnectionString(Setting("KEY"));
var retries = new EventHubsRetryOptions { MaximumRetries = 0, TryTimeout = TimeSpan.FromSeconds(15) };
var failed = false;

await Check("properties", async () =>
{
    await using var producer = Producer();
    var properties = await producer.GetEventHubPropertiesAsync();
    Assert(properties.Name == hub && properties.PartitionIds.SequenceEqual(["0", "1", "2", "3"]), properties);
    var partition = await producer.GetPartitionPropertiesAsync("3");
    Assert(partition.IsEmpty && partition.LastEnqueuedSequenceNumber == -1, partition);
});

await Check("requests at once are each answered", async () =>
{
    await using var producer = Producer();
    var asked = Enumerable.Range(0, 20).Select(number => producer.GetPartitionPropertiesAsync($"{number % 4}"));
    var answers = await Task.WhenAll(asked);
    Assert(answers.Select((answer, number) => answer.Id == $"{number % 4}").All(right => right), answers.Select(answer => answer.Id));
});

await Check("batches, bodies and positions", async () =>
{
    await using var producer = Producer();
    using var batch = await producer.CreateBatchAsync(new CreateBatchOptions { PartitionId = "0" });
    Assert(batch.MaximumSizeInBytes == 1_048_576, batch.MaximumSizeInBytes);
    for (var number = 0; number < 100; number += 1)
    {
        var data = new EventData($"event {number}") { MessageId = $"id-{number}", ContentType = "text/plain" };
        data.Properties["n"] = number;
        Assert(batch.TryAdd(data), number);
    }
    await producer.SendAsync(batch);
    var all = await Read("0", EventPosition.Earliest, 100);
    Assert(all.Select(data => data.EventBody.ToString()).SequenceEqual(Enumerable.Range(0, 100).Select(n => $"event {n}")), all.Count);
    Assert(all.Select(data => data.SequenceNumber).SequenceEqual(Enumerable.Range(0, 100).Select(n => (long)n)), all.Count);
    Assert(all[7].MessageId == "id-7" && Equals(all[7].Properties["n"], 7) && all[7].ContentType == "text/plain", all[7].Properties);
    Assert((await Read("0", EventPosition.FromSequenceNumber(50, false), 49))[0].SequenceNumber == 51, "after 50");
    Assert((await Read("0", EventPosition.FromSequenceNumber(50, true), 50))[0].SequenceNumber == 50, "from 50");
    Assert((await Read("0", EventPosition.FromOffset(all[50].OffsetString, true), 50))[0].SequenceNumber == 50, "from an offset");
    Assert((await Read("0", EventPosition.FromEnqueuedTime(all[0].EnqueuedTime.AddSeconds(-1)), 100)).Count == 100, "from a time");
});

await Check("a key goes to one partition and comes along", async () =>
{
    await using var producer = Producer();
    var before = await Ends(producer);
    await producer.SendAsync([new EventData("a"), new EventData("b")], new SendEventOptions { PartitionKey = "device-1" });
    var after = await Ends(producer);
    var grown = after.Where(end => end.Value != before[end.Key]).ToList();
    Assert(grown.Count == 1 && grown[0].Value == before[grown[0].Key] + 2, grown);
    var got = await Read(grown[0].Key, EventPosition.FromSequenceNumber(before[grown[0].Key], false), 2);
    Assert(got.All(data => data.PartitionKey == "device-1"), got.Select(data => data.PartitionKey));
});

await Check("the buffered producer delivers everything", async () =>
{
    await using var asking = Producer();
    var before = await Ends(asking);
    var options = new EventHubBufferedProducerClientOptions { MaximumWaitTime = TimeSpan.FromMilliseconds(100), RetryOptions = retries };
    var failures = 0;
    await using (var producer = new EventHubBufferedProducerClient(connectionString, hub, options))
    {
        producer.SendEventBatchFailedAsync += _ => { Interlocked.Increment(ref failures); return Task.CompletedTask; };
        for (var number = 0; number < 1000; number += 1)
        {
            await producer.EnqueueEventAsync(new EventData($"{number}"), new EnqueueEventOptions { PartitionKey = $"key-{number % 50}" });
        }
    }
    var after = await Ends(asking);
    Assert(failures == 0 && after.Values.Sum() - before.Values.Sum() == 1000, new { failures, after });
});

await Check("runtime metrics", async () =>
{
    await using var asking = Producer();
    var end = await asking.GetPartitionPropertiesAsync("0");
    await using var receiver = Receiver("0", EventPosition.Earliest, new PartitionReceiverOptions { TrackLastEnqueuedEventProperties = true, RetryOptions = retries });
    await receiver.ReceiveBatchAsync(10, TimeSpan.FromSeconds(10));
    Assert(receiver.ReadLastEnqueuedEventProperties().SequenceNumber == end.LastEnqueuedSequenceNumber, end);
});

await Check("a higher epoch takes over and a lower one is refused", async () =>
{
    await using var first = Receiver("0", EventPosition.Earliest, new PartitionReceiverOptions { OwnerLevel = 1, PrefetchCount = 0, RetryOptions = retries });
    Assert((await first.ReceiveBatchAsync(10, TimeSpan.FromSeconds(10))).Any(), "the first reads");
    await using var second = Receiver("0", EventPosition.Earliest, new PartitionReceiverOptions { OwnerLevel = 2, RetryOptions = retries });
    Assert((await second.ReceiveBatchAsync(10, TimeSpan.FromSeconds(10))).Any(), "the second reads");
    await Fails(EventHubsException.FailureReason.ConsumerDisconnected, () => first.ReceiveBatchAsync(10, TimeSpan.FromSeconds(5)));
    await using var third = Receiver("0", EventPosition.Earliest, new PartitionReceiverOptions { OwnerLevel = 1, RetryOptions = retries });
    await Fails(EventHubsException.FailureReason.ConsumerDisconnected, () => third.ReceiveBatchAsync(10, TimeSpan.FromSeconds(5)));
});

await Check("five readers, the sixth is over the quota", async () =>
{
    var five = Enumerable.Range(0, 5).Select(_ => Receiver("1", EventPosition.Earliest)).ToList();
    foreach (var receiver in five) Assert((await receiver.ReceiveBatchAsync(10, TimeSpan.FromSeconds(10))).Any(), "it reads");
    await using var sixth = Receiver("1", EventPosition.Earliest);
    await Fails(EventHubsException.FailureReason.QuotaExceeded, () => sixth.ReceiveBatchAsync(10, TimeSpan.FromSeconds(5)));
    foreach (var receiver in five) await receiver.DisposeAsync();
});

await Check("what does not exist is refused", async () =>
{
    await using var nowhere = new EventHubProducerClient(connectionString, "nothing", new EventHubProducerClientOptions { RetryOptions = retries });
    await Fails(EventHubsException.FailureReason.ResourceNotFound, () => nowhere.SendAsync([new EventData("x")]));
    await using var nobody = new PartitionReceiver("nobody", "0", EventPosition.Earliest, connectionString, hub, new PartitionReceiverOptions { RetryOptions = retries });
    await Fails(EventHubsException.FailureReason.ResourceNotFound, () => nobody.ReceiveBatchAsync(1, TimeSpan.FromSeconds(5)));
    await using var past = Receiver("0", EventPosition.FromSequenceNumber(1_000_000));
    await FailsAtAll(() => past.ReceiveBatchAsync(1, TimeSpan.FromSeconds(5)));
});

await Check("more than a megabyte is too large", async () =>
{
    await using var producer = Producer();
    await Fails(EventHubsException.FailureReason.MessageSizeExceeded, () => producer.SendAsync([new EventData(new byte[1_200_000])]));
});

await Check("a wrong key", async () =>
{
    var wrong = ConnectionString(Convert.ToBase64String(new byte[32]));
    await using var producer = new EventHubProducerClient(wrong, hub, new EventHubProducerClientOptions { RetryOptions = retries });
    await FailsAtAll(() => producer.SendAsync([new EventData("x")]), typeof(UnauthorizedAccessException));
    await FailsAtAll(() => producer.GetEventHubPropertiesAsync(), typeof(UnauthorizedAccessException));
});

await Check("two processors share the partitions and lose nothing when one leaves", async () =>
{
    var store = new MemoryCheckpoints();
    var seen = new ConcurrentDictionary<string, int>();
    await using var producer = Producer();
    var first = new Processor(connectionString, hub, store, seen);
    var second = new Processor(connectionString, hub, store, seen);
    await first.StartProcessingAsync();
    await Until("the first owns all", () => first.Owned == 4);
    await second.StartProcessingAsync();
    for (var number = 0; number < 100; number += 1) await producer.SendAsync([new EventData($"shared {number}")]);
    await Until("they share", () => first.Owned > 0 && second.Owned > 0);
    await first.StopProcessingAsync();
    for (var number = 100; number < 200; number += 1) await producer.SendAsync([new EventData($"shared {number}")]);
    await Until("everything was seen", () => seen.Keys.Count(body => body.StartsWith("shared ")) == 200);
    await second.StopProcessingAsync();
});

return failed ? 1 : 0;

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

static string ConnectionString(string key) =>
    $"Endpoint=sb://127.0.0.1:{Setting("PORT")};SharedAccessKeyName={Setting("KEY_NAME")};SharedAccessKey={key};UseDevelopmentEmulator=true";

EventHubProducerClient Producer() => new(connectionString, hub, new EventHubProducerClientOptions { RetryOptions = retries });

PartitionReceiver Receiver(string partition, EventPosition position, PartitionReceiverOptions? options = null) =>
    new("$Default", partition, position, connectionString, hub, options ?? new PartitionReceiverOptions { RetryOptions = retries });

async Task<List<EventData>> Read(string partition, EventPosition position, int count)
{
    await using var receiver = Receiver(partition, position);
    var got = new List<EventData>();
    var giveUp = DateTime.UtcNow.AddSeconds(20);
    while (got.Count < count && DateTime.UtcNow < giveUp) got.AddRange(await receiver.ReceiveBatchAsync(count, TimeSpan.FromSeconds(2)));
    return got;
}

static async Task<Dictionary<string, long>> Ends(EventHubProducerClient producer)
{
    var ends = new Dictionary<string, long>();
    foreach (var id in await producer.GetPartitionIdsAsync())
    {
        ends[id] = (await producer.GetPartitionPropertiesAsync(id)).LastEnqueuedSequenceNumber;
    }
    return ends;
}

static void Assert(bool holds, object seen)
{
    if (!holds) throw new InvalidOperationException($"not so: {JsonSerializer.Serialize(seen)}");
}

static async Task Until(string what, Func<bool> condition)
{
    var giveUp = DateTime.UtcNow.AddSeconds(40);
    while (!condition())
    {
        if (DateTime.UtcNow > giveUp) throw new TimeoutException($"did not happen: {what}");
        await Task.Delay(50);
    }
}

static async Task Fails(EventHubsException.FailureReason reason, Func<Task> attempt)
{
    try
    {
        await attempt();
    }
    catch (EventHubsException failure) when (failure.Reason == reason)
    {
        return;
    }
    throw new InvalidOperationException($"it did not fail with {reason}");
}

static async Task FailsAtAll(Func<Task> attempt, Type? with = null)
{
    try
    {
        await attempt();
    }
    catch (Exception failure) when (with?.IsInstanceOfType(failure) ?? true)
    {
        return;
    }
    throw new InvalidOperationException("it did not fail");
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

/// <summary>Ownership and checkpoints of one hub and group, shared by processors of this program.</summary>
sealed class MemoryCheckpoints
{
    public readonly ConcurrentDictionary<string, EventProcessorPartitionOwnership> Owned = new();
    public readonly ConcurrentDictionary<string, long> Sequences = new();
}

/// <summary>The processor under the Functions trigger, with its store in memory.</summary>
sealed class Processor(string connectionString, string hub, MemoryCheckpoints store, ConcurrentDictionary<string, int> seen)
    : EventProcessor<EventProcessorPartition>(50, "ingest", connectionString, hub, new EventProcessorOptions
    {
        LoadBalancingStrategy = LoadBalancingStrategy.Greedy,
        LoadBalancingUpdateInterval = TimeSpan.FromMilliseconds(300),
        PartitionOwnershipExpirationInterval = TimeSpan.FromSeconds(5),
        MaximumWaitTime = TimeSpan.FromMilliseconds(200),
        DefaultStartingPosition = EventPosition.Earliest,
    })
{
    private readonly ConcurrentDictionary<string, bool> partitions = new();

    public int Owned => partitions.Count;

    protected override Task OnInitializingPartitionAsync(EventProcessorPartition partition, CancellationToken cancellation)
    {
        partitions[partition.PartitionId] = true;
        return Task.CompletedTask;
    }

    protected override Task OnPartitionProcessingStoppedAsync(EventProcessorPartition partition, ProcessingStoppedReason reason, CancellationToken cancellation)
    {
        partitions.TryRemove(partition.PartitionId, out _);
        return Task.CompletedTask;
    }

    protected override Task OnProcessingEventBatchAsync(IEnumerable<EventData> events, EventProcessorPartition partition, CancellationToken cancellation)
    {
        foreach (var data in events)
        {
            seen.AddOrUpdate(data.EventBody.ToString(), 1, (_, times) => times + 1);
            store.Sequences[partition.PartitionId] = data.SequenceNumber;
        }
        return Task.CompletedTask;
    }

    protected override Task OnProcessingErrorAsync(Exception exception, EventProcessorPartition? partition, string operation, CancellationToken cancellation) => Task.CompletedTask;

    protected override Task<IEnumerable<EventProcessorPartitionOwnership>> ListOwnershipAsync(CancellationToken cancellation) =>
        Task.FromResult<IEnumerable<EventProcessorPartitionOwnership>>(store.Owned.Values.ToList());

    protected override Task<IEnumerable<EventProcessorPartitionOwnership>> ClaimOwnershipAsync(IEnumerable<EventProcessorPartitionOwnership> desired, CancellationToken cancellation)
    {
        var claimed = new List<EventProcessorPartitionOwnership>();
        lock (store)
        {
            foreach (var wish in desired)
            {
                if (store.Owned.TryGetValue(wish.PartitionId, out var current) && current.Version != wish.Version) continue;
                wish.Version = Guid.NewGuid().ToString();
                wish.LastModifiedTime = DateTimeOffset.UtcNow;
                store.Owned[wish.PartitionId] = wish;
                claimed.Add(wish);
            }
        }
        return Task.FromResult<IEnumerable<EventProcessorPartitionOwnership>>(claimed);
    }

    protected override Task<EventProcessorCheckpoint?> GetCheckpointAsync(string partitionId, CancellationToken cancellation) =>
        Task.FromResult(store.Sequences.TryGetValue(partitionId, out var sequence)
            ? new EventProcessorCheckpoint
            {
                FullyQualifiedNamespace = FullyQualifiedNamespace,
                EventHubName = EventHubName,
                ConsumerGroup = ConsumerGroup,
                PartitionId = partitionId,
                StartingPosition = EventPosition.FromSequenceNumber(sequence, false),
            }
            : null);
}
