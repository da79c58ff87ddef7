/** The sign-in and consent pages in a real browser: without scripts, by keyboard; then a page that buys its own token. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser } from 'puppeteer-core';
import { launchBrowser } from '../support/browser.ts';
import { living, type Living, type TestApplication } from '../support/living.ts';
import { authorizationRequest, newUser, pkce, type TestUser } from '../support/people.ts';
import { findProgram } from '../support/program.ts';

const program = findProgram('chromium', 'chromium-browser', 'google-chrome');

(program === undefined ? describe.skip : describe)('Chromium', () => {
  let api: Living;
  let pages: Server;
  let browser: Browser;
  let origin: string;
  let app: TestApplication;
  let person: TestUser;

  beforeAll(async () => {
    api = await living(async () => {
      await import('../../functions/oauth.ts');
      await import('../../functions/external-applications.ts');
      await import('../../functions/users.ts');
    });
    // Another origin than the API's, for browsers: the name differs.
    pages = createServer((request, response) =>
      response
        .setHeader('content-type', 'text/html')
        .end(
          request.url?.startsWith('/frame')
            ? `<!doctype html><title>Framing</title><iframe src="${api.url}/oauth/authorize?${authorizationRequest(app, pkce().challenge, { redirect_uri: `${origin}/back` }).toString()}"></iframe>`
            : '<!doctype html><title>Back at the application</title>',
        ),
    );
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    origin = `http://localhost:${(pages.address() as AddressInfo).port}`;
    app = await api.application({ clientType: 'public', redirectUris: [`${origin}/back`] });
    person = await newUser(api);
    browser = await launchBrowser(program ?? '');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    pages?.close();
    pages?.closeAllConnections();
    await api?.close();
  }, 60_000);

  test('a person signs in and allows with the keyboard alone, without scripts; the page buys its token itself', async () => {
    const { verifier, challenge } = pkce();
    const request = authorizationRequest(app, challenge, { redirect_uri: `${origin}/back` });
    const page = await browser.newPage();
    await page.setJavaScriptEnabled(false);
    await page.goto(`${api.url}/oauth/authorize?${request.toString()}`);
    expect(await page.title()).toContain('Sign in');
    await page.focus('#login');
    await page.keyboard.type(person.login);
    await page.keyboard.press('Tab');
    await page.keyboard.type(person.password);
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    expect(await page.title()).toContain('Allow access');
    await page.focus('button[value="allow"]');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    expect(await page.title()).toBe('Back at the application');
    const code = new URL(page.url()).searchParams.get('code') ?? '';

    await page.setJavaScriptEnabled(true);
    await page.goto(`${origin}/back`);
    const form = {
      grant_type: 'authorization_code',
      client_id: app.clientId,
      redirect_uri: `${origin}/back`,
      code,
      code_verifier: verifier,
    };
    const me = await page.evaluate(
      async (base, fields) => {
        const answer = await fetch(`${base}/oauth/token`, { method: 'POST', body: new URLSearchParams(fields) });
        const { access_token: token } = (await answer.json()) as { access_token: string };
        const who = await fetch(`${base}/connect/userinfo`, { headers: { authorization: `Bearer ${token}` } });
        return (await who.json()) as { sub: string };
      },
      api.url,
      form,
    );
    expect(me.sub).toBe(person.id);
    await page.close();
  }, 60_000);

  test('the page is not shown in a frame of another site', async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/frame`);
    const inner = page.frames().find((frame) => frame !== page.mainFrame());
    expect(inner).toBeDefined();
    expect(await inner?.$('form')).toBeNull();
    await page.close();
  }, 60_000);
});
