/** The clients that applications use, against the product, directly and with cut connections. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import { telemetry } from '../support/stream-world.ts';
import { streaming, type Streaming } from '../support/streaming.ts';
import { until } from '../support/until.ts';
import { CLIENTS, type Door, type Heard } from './stream-clients.ts';

const PATH = '/v1/stream/telemetry';
/** Milliseconds a client may take to come back: it waits for up to 3 s, as it was told, and some add to that. */
const BACK_MS_MAX = 30_000;
let surroundings: Streaming;
let proxy: CuttingProxy;

beforeAll(async () => {
  surroundings = await streaming(['d1', 'd2']);
  proxy = await startCuttingProxy(surroundings.product.url);
}, 60_000);
afterAll(async () => {
  await proxy?.close();
  await surroundings?.close();
}, 30_000);

/** A stream of `d1`, by ticket for who cannot send a header. */
async function door(byTicket: boolean): Promise<Door> {
  const { product } = surroundings;
  const token = await product.accessToken(await product.application({ devices: ['d1'] }));
  if (!byTicket) return { url: `${proxy.url}${PATH}`, headers: { authorization: `Bearer ${token}` } };
  const { body } = await product.call('POST', '/v1/stream/tickets', { token });
  return { url: `${proxy.url}${body.url}`, headers: {} };
}

describe.each(Object.entries(CLIENTS))('%s', (name, start) => {
  test('hears live events by their names, and after every cut exactly what came meanwhile', async () => {
    const heard: Heard[] = [];
    const stop = start(await door(name.includes('built-in')), (each) => heard.push(each));
    const ids = () => heard.flatMap(({ type, data }) => (type === 'message' ? [String(data['eventId'])] : []));
    const readies = () => heard.filter(({ type }) => type === 'ready').length;
    try {
      await until(() => readies() === 1, BACK_MS_MAX);
      const expected: string[] = [];
      const say = async (id: string) => {
        expected.push(id);
        await surroundings.say('direct-0', [telemetry('d1', id), telemetry('d2', `${id}-foreign`)]);
      };
      for (let round = 0; round < 3; round++) {
        await say(`${name} live ${round}`);
        await until(() => ids().length === expected.length);
        proxy.cut();
        await say(`${name} away ${round}`);
        await until(() => readies() === round + 2 && ids().length === expected.length, BACK_MS_MAX);
      }
      expect(ids()).toEqual(expected);
      expect(new Set(heard.map(({ type }) => type))).toEqual(new Set(['ready', 'message']));
      expect(heard.filter(({ type }) => type === 'ready').map(({ data }) => data['resumed'])).toEqual([
        false,
        true,
        true,
        true,
      ]);
    } finally {
      stop();
    }
  }, 120_000);
});
