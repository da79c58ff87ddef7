/** Streams behind nginx as Debian ships it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findProgram } from '../support/program.ts';
import { telemetry } from '../support/stream-world.ts';
import { streaming, type Streaming } from '../support/streaming.ts';
import { until } from '../support/until.ts';
import { startNginx, type Nginx } from './nginx.ts';
import { CLIENTS, type Heard, type StartClient } from './stream-clients.ts';

const program = findProgram('nginx');
const PATH = '/v1/stream/telemetry';
/** More than nginx keeps back: eight buffers of 4 or 8 KB. */
const FILLING_BYTES = 80_000;
const curl = CLIENTS['curl'] as StartClient;

(program === undefined ? describe.skip : describe)('behind nginx', () => {
  let surroundings: Streaming;
  let nginx: Nginx;

  beforeAll(async () => {
    surroundings = await streaming(['d1']);
    nginx = await startNginx(program ?? '', surroundings.product.url);
  }, 60_000);
  afterAll(async () => {
    await nginx?.[Symbol.asyncDispose]();
    await surroundings?.close();
  }, 30_000);

  /** Reads a stream with curl through one of nginx's doors. */
  async function read(url: string) {
    const { product } = surroundings;
    const token = await product.accessToken(await product.application({ devices: ['d1'] }));
    const heard: Heard[] = [];
    const stop = curl({ url: `${url}${PATH}`, headers: { authorization: `Bearer ${token}` } }, (each) =>
      heard.push(each),
    );
    return { heard, stop, has: (id: string) => heard.some(({ data }) => data['eventId'] === id) };
  }

  test('with our headers every event arrives at once', async () => {
    const reader = await read(nginx.url);
    await until(() => reader.heard.length > 0);
    for (let round = 0; round < 5; round++) {
      const saidAt = performance.now();
      await surroundings.say('direct-0', [telemetry('d1', `nginx-${round}`)]);
      await until(() => reader.has(`nginx-${round}`));
      expect(performance.now() - saidAt).toBeLessThan(2_000);
    }
    reader.stop();
  });

  test('where a proxy ignores them it holds events back until its buffer is full, and loses none', async () => {
    const reader = await read(nginx.deafUrl);
    const streams = () => surroundings.instance.relay().then(({ size }) => size);
    await until(async () => (await streams()) > 0);
    await surroundings.say('direct-0', [telemetry('d1', 'held-first')]);
    // It is out of our hands within milliseconds, which the other test shows; here it is still in nginx's.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(reader.heard).toEqual([]);
    const note = 'x'.repeat(1_000);
    for (let bytes = 0; !reader.has('held-first'); bytes += note.length) {
      expect(bytes).toBeLessThan(FILLING_BYTES);
      await surroundings.say('direct-0', [telemetry('d1', `filling-${bytes}`, { note })]);
    }
    expect(reader.heard.map(({ type }) => type).slice(0, 2)).toEqual(['ready', 'message']);
    reader.stop();
  });

  test('a reader that leaves is noticed through nginx as well', async () => {
    const streams = () => surroundings.instance.relay().then(({ size }) => size);
    await until(async () => (await streams()) === 0);
    const reader = await read(nginx.url);
    await until(async () => (await streams()) === 1);
    reader.stop();
    const leftAt = performance.now();
    await until(async () => (await streams()) === 0);
    expect(performance.now() - leftAt).toBeLessThan(2_000);
  });
});
