/** A file of its own, so that the bundle holds only the half of the SDK that sends. */
export { EventHubProducerClient } from '@azure/event-hubs';
