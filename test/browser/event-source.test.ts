/** A real browser's EventSource, on a page of another origin, through a ticket. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import { launchBrowser } from '../support/browser.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import type { TestApplication } from '../support/living.ts';
import { findProgram } from '../support/program.ts';
import { telemetry } from '../support/stream-world.ts';
import { streaming, type Streaming } from '../support/streaming.ts';
import { until } from '../support/until.ts';

const program = findProgram('chromium', 'chromium-browser', 'google-chrome');
/** Milliseconds until a browser has come back: it waits for up to 3 s, as it was told. */
const BACK_MS_MAX = 30_000;

/** What the page keeps of what its EventSource has said. */
interface Seen {
  type: string;
  data?: Record<string, unknown>;
}

(program === undefined ? describe.skip : describe)("Chromium's EventSource", () => {
  let surroundings: Streaming;
  let proxy: CuttingProxy;
  let pages: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    surroundings = await streaming(['d1', 'd2']);
    proxy = await startCuttingProxy(surroundings.product.url);
    pages = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>A page</title>'),
    );
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    browser = await launchBrowser(program ?? '');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    pages?.close();
    pages?.closeAllConnections();
    await proxy?.close();
    await surroundings?.close();
  }, 60_000);

  async function page(at = origin): Promise<Page> {
    const made = await browser.newPage();
    await made.goto(at);
    return made;
  }

  async function ticketUrl(application: TestApplication): Promise<string> {
    const { product } = surroundings;
    const { body } = await product.call('POST', '/v1/stream/tickets', {
      token: await product.accessToken(application),
    });
    return `${proxy.url}${body.url}`;
  }

  /** Opens an EventSource in the page. */
  async function openIn(target: Page, url: string): Promise<() => Promise<Seen[]>> {
    await target.evaluate((address) => {
      const seen: { type: string; data?: unknown }[] = [];
      Object.assign(globalThis, { seen });
      const source = new EventSource(address);
      source.addEventListener('error', () => seen.push({ type: `error ${source.readyState}` }));
      for (const type of ['message', 'ready', 'alert', 'gap', 'close'])
        source.addEventListener(type, (event) => {
          seen.push({ type, data: JSON.parse(String((event as MessageEvent).data)) as unknown });
          if (type === 'close') source.close();
        });
    }, url);
    return () => target.evaluate(() => (globalThis as unknown as { seen: Seen[] }).seen);
  }

  const idsOf = (seen: Seen[]) => seen.flatMap(({ type, data }) => (type === 'message' ? [data?.['eventId']] : []));

  test('hears telemetry in onmessage, comes back by itself after a cut with the same ticket, and closes when told', async () => {
    const application = await surroundings.product.application({ devices: ['d1'], allowedOrigins: [origin] });
    const target = await page();
    const seen = await openIn(target, await ticketUrl(application));
    await until(async () => (await seen()).some(({ type }) => type === 'ready'), BACK_MS_MAX);
    await surroundings.say('direct-0', [telemetry('d1', 'page-1'), telemetry('d2', 'page-foreign')]);
    await until(async () => idsOf(await seen()).length === 1);
    proxy.cut();
    await surroundings.say('direct-0', [telemetry('d1', 'page-2')]);
    await until(async () => idsOf(await seen()).length === 2, BACK_MS_MAX);
    await surroundings.say('direct-0', [telemetry('d1', 'page-3')]);
    await until(async () => idsOf(await seen()).length === 3);
    expect(idsOf(await seen())).toEqual(['page-1', 'page-2', 'page-3']);
    await surroundings.product.manage('POST', `/v1/external-applications/${application.id}/disable`);
    await until(async () => (await seen()).some(({ type }) => type === 'close'));
    expect((await seen()).at(-1)?.data).toMatchObject({ reason: expect.stringMatching(/disabled|revoked/) });
    await target.close();
  }, 120_000);

  test('a page of an origin that the application does not name hears nothing', async () => {
    const application = await surroundings.product.application({ allowedOrigins: ['https://app.example'] });
    const target = await page();
    const seen = await openIn(target, await ticketUrl(application));
    await until(async () => (await seen()).length > 0);
    expect((await seen())[0]?.type).toMatch(/^error/);
    await target.close();
  }, 60_000);

  test('a page with a token reads lines of JSON by fetch: the preflight lets its headers through', async () => {
    const { product } = surroundings;
    const application = await product.application({ devices: ['d1'], allowedOrigins: [origin] });
    const token = await product.accessToken(application);
    const target = await page();
    const line = await target.evaluate(
      async (url, bearer) => {
        const answer = await fetch(url, {
          headers: { authorization: `Bearer ${bearer}`, accept: 'application/x-ndjson' },
        });
        const { value } = (await answer.body?.pipeThrough(new TextDecoderStream()).getReader().read()) ?? {};
        return { first: value ?? '', requestId: answer.headers.get('x-request-id') };
      },
      `${product.url}/v1/stream/telemetry`,
      token,
    );
    expect(JSON.parse(line.first.split('\n')[0] ?? '')).toMatchObject({ type: 'ready', cursor: expect.any(String) });
    expect(line.requestId).toEqual(expect.any(String));
    await target.close();
  }, 60_000);
});
