/** `GET /v1/stream/telemetry`: from a checked request to a response whose body the relay writes. */
import type { HttpResponseInit } from '@azure/functions';
import type { Call } from '../http/endpoint.ts';
import type { StreamCaller } from './authority-watch.ts';
import type { Relay } from './relay.ts';
import { responseOf, ResponseChannel } from './response-channel.ts';
import { beginningOf, streamSelection, type StreamQuery } from './stream-request.ts';

/**
 * Milliseconds a stream lives where the platform hides the response, and with it the reader's departure: each one whose
 * reader left costs until then.
 */
const BLIND_LIFE_MS = 120_000;

/** Headers that keep proxies from holding events back or changing them. */
const STREAM_HEADERS = { 'cache-control': 'no-cache, no-store, no-transform', 'x-accel-buffering': 'no' };

/**
 * Opens the stream that a request asks for.
 * @throws Problem 400, 403, 406, 429 or 503; see Relay.open and the readers of the request
 */
export async function openStream<Caller extends StreamCaller>(
  relay: Relay<Caller>,
  { query, request, caller, requestId }: Call<unknown, StreamQuery, undefined, Caller>,
  nowMs: number,
): Promise<HttpResponseInit> {
  const selection = streamSelection(query, request.headers.get('accept'));
  const lastEventId = request.headers.get('last-event-id') || query.lastEventId;
  const beginning = beginningOf(query, lastEventId, nowMs);
  const response = responseOf(requestId);
  const channel = new ResponseChannel(response);
  await relay.open({
    caller,
    selection,
    from: (journal) => beginning.find(journal, caller.tenantId),
    resumed: beginning.resumed,
    snapshot: query.snapshot === 'latest',
    sink: channel,
    ...(response === undefined ? { lifeMs: BLIND_LIFE_MS } : {}),
  });
  return {
    status: 200,
    headers: { ...STREAM_HEADERS, 'content-type': selection.framing.contentType },
    body: channel.body,
  };
}
