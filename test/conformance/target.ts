/**
 * Where a suite finds its service: environment variables and nothing else, so that a suite cannot know whether it talks
 * to a stand-in or to Azure. test/conformance/README.md lists them.
 */

/** @throws Error naming the variable and how to set it */
function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') {
    throw new Error(
      `${name} is not set. Run the suites with 'npm run conformance -- --target local', or with --target azure and ` +
        'the variables that test/conformance/README.md lists.',
    );
  }
  return value;
}

export interface EventHubsTarget {
  readonly connectionString: string;
  /** A hub of at least two partitions. */
  readonly hub: string;
  /** A consumer group of it beside `$Default`. */
  readonly group: string;
}

export const eventHubsTarget = (): EventHubsTarget => ({
  connectionString: setting('CONFORMANCE_EVENT_HUBS_CONNECTION_STRING'),
  hub: setting('CONFORMANCE_EVENT_HUBS_HUB'),
  group: setting('CONFORMANCE_EVENT_HUBS_GROUP'),
});

interface CosmosTarget {
  readonly endpoint: string;
  readonly key: string;
}

export const cosmosTarget = (): CosmosTarget => ({
  endpoint: setting('CONFORMANCE_COSMOS_ENDPOINT'),
  key: setting('CONFORMANCE_COSMOS_KEY'),
});

interface WebPubSubTarget {
  readonly connectionString: string;
}

export const webPubSubTarget = (): WebPubSubTarget => ({
  connectionString: setting('CONFORMANCE_WEB_PUBSUB_CONNECTION_STRING'),
});

interface FunctionsHostTarget {
  /** Where the app of test/conformance/functions-host/app.ts answers with streamed HTTP, without a slash at the end. */
  readonly url: string;
  /** The default host key of that app. */
  readonly key: string;
  /** Where the same app answers with buffered HTTP. */
  readonly bufferedUrl: string;
}

export const functionsHostTarget = (): FunctionsHostTarget => ({
  url: setting('CONFORMANCE_FUNCTIONS_URL'),
  key: setting('CONFORMANCE_FUNCTIONS_KEY'),
  bufferedUrl: setting('CONFORMANCE_FUNCTIONS_BUFFERED_URL'),
});
