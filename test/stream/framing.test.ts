import { expect, test } from '@jest/globals';
import { ndjson, negotiate, sse } from '../../shared/stream/framing.ts';

test('telemetry has no event line, so that onmessage receives it; everything else is named', () => {
  expect(sse.frame('telemetry', '{"a":1}')).toBe('data: {"a":1}\n\n');
  expect(sse.frame('alert', '{"a":1}')).toBe('event: alert\ndata: {"a":1}\n\n');
});

test('only the last event of a write carries the id', () => {
  const frames = sse.frame('telemetry', '1') + sse.frame('alert', '2');
  expect(sse.seal(frames, 'c')).toBe('data: 1\n\nevent: alert\ndata: 2\nid: c\n\n');
});

test('ndjson says the same, one object a line', () => {
  const lines = ndjson
    .seal(ndjson.frame('telemetry', '{"a":1}') + ndjson.frame('alert', '{}'), 'c')
    .trimEnd()
    .split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { type: 'telemetry', data: { a: 1 } },
    { type: 'alert', data: {}, cursor: 'c' },
  ]);
});

test.each([
  [null, 'sse'],
  ['', 'sse'],
  ['*/*', 'sse'],
  ['text/event-stream', 'sse'],
  ['application/x-ndjson', 'ndjson'],
  ['Application/NDJSON; charset=utf-8', 'ndjson'],
  ['application/x-ndjson;q=0.5, text/event-stream', 'sse'],
  ['text/event-stream;q=0.1, application/x-ndjson;q=0.9', 'ndjson'],
  ['text/html, */*;q=0.1', 'sse'],
  ['application/json', undefined],
  ['text/event-stream;q=0', undefined],
  ['text/event-stream;q=what', undefined],
  ['text/*', 'sse'],
  ['application/*', 'ndjson'],
  ['text/event-stream;q=0, */*', 'ndjson'],
  ['*/*, text/event-stream;q=0, application/x-ndjson;q=0', undefined],
  ['application/x-ndjson, */*', 'ndjson'],
  ['*/*, application/x-ndjson', 'ndjson'],
  ['application/x-ndjson, text/event-stream', 'ndjson'],
  ['text/event-stream, application/x-ndjson', 'sse'],
  ['application/x-ndjson, text/*;q=0.9', 'ndjson'],
  ['text/event-stream;q=2', undefined],
  [',,', undefined],
])('Accept: %s gives %s', (accept, expected) => {
  expect(negotiate(accept)?.name).toBe(expected);
});
