import { describe, expect, test } from '@jest/globals';
import { readHubBatch } from '../../shared/telemetry/hub-batch.ts';

function metadata(count: number, more: Record<string, unknown> = {}) {
  const of = <T>(make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index));
  return {
    partitionContext: { partitionId: '3' },
    systemPropertiesArray: of((index) => ({ partitionKey: index === 0 ? null : `key-${index}` })),
    propertiesArray: of(() => ({})),
    sequenceNumberArray: of((index) => ({ low: 100 + index, high: 0, unsigned: false })),
    enqueuedTimeUtcArray: of(() => '2026-01-02T03:04:05.12'),
    ...more,
  };
}

describe('a batch as the trigger hands it over', () => {
  test('pairs bodies with Long sequence numbers, times without a zone, and keys by event', () => {
    const { lane, events } = readHubBatch('direct', [Buffer.from('{}'), 'plain'], metadata(2));
    expect(lane).toBe('direct-3');
    expect(events.map(({ seq, enqueuedMs, partitionKey }) => ({ seq, enqueuedMs, partitionKey }))).toEqual([
      { seq: 100, enqueuedMs: Date.parse('2026-01-02T03:04:05.120Z'), partitionKey: undefined },
      { seq: 101, enqueuedMs: Date.parse('2026-01-02T03:04:05.120Z'), partitionKey: 'key-1' },
    ]);
  });

  test.each([
    [{ low: -1, high: 0, unsigned: false }, 4_294_967_295],
    [{ low: 5, high: 2, unsigned: false }, 2 * 2 ** 32 + 5],
    [7, 7],
    ['8', 8],
  ])('reads the sequence number %j as %d', (given, expected) => {
    const { events } = readHubBatch('direct', ['x'], metadata(1, { sequenceNumberArray: [given] }));
    expect(events[0]?.seq).toBe(expected);
  });

  test.each(['message-id', 'messageId'])('reads the transport’s own %s', (name) => {
    const given = metadata(2, { systemPropertiesArray: [{ [name]: 'm-1' }, { [name]: 7 }] });
    expect(readHubBatch('direct', ['a', 'b'], given).events.map(({ messageId }) => messageId)).toEqual([
      'm-1',
      undefined,
    ]);
  });

  test('refuses to pair by guess', () => {
    expect(() => readHubBatch('direct', ['a', 'b'], metadata(1))).toThrow('2 events but metadata of 1, 1, 1, 1');
    expect(() => readHubBatch('direct', ['a'], { ...metadata(1), partitionContext: {} })).toThrow('no partition id');
    expect(() => readHubBatch('direct', ['a'], metadata(1, { enqueuedTimeUtcArray: ['soon'] }))).toThrow(
      'enqueued time',
    );
  });
});
