/**
 * The product's HTTP side over real sockets: the local Cosmos DB, the local Functions host in this process, the
 * functions themselves. One per test file: functions are registered once, and their services are made once.
 */
import type { Services } from '../../functions/services.ts';
import type { CosmosServer } from '../../local/cosmos/cosmos.ts';
import { runApp } from './functions-app.ts';
import { ADMIN, storedServices } from './stored-services.ts';

/** A response, read whole. */
interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Parsed JSON; undefined for another body. Tests assert its shape. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the reader of an answer is the test that asserts it
  body: any;
}

/** How to call the API. */
interface CallOptions {
  token?: string;
  tenant?: string;
  /** Sent as JSON. */
  json?: unknown;
  body?: NonNullable<RequestInit['body']>;
  headers?: Record<string, string>;
}

/** Credentials as a creation answers them. */
export interface TestApplication {
  id: string;
  clientId: string;
  clientSecret: string;
}

/** The running product. */
export interface Living {
  url: string;
  cosmos: CosmosServer;
  /** What the host has logged. */
  log: string[];
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Calls as the administrator of a tenant, by default `default`. */
  manage(method: string, path: string, json?: unknown, options?: CallOptions): Promise<Answer>;
  /** Posts a form to the token endpoint. */
  token(form: Record<string, string> | URLSearchParams, headers?: Record<string, string>): Promise<Answer>;
  /** Creates an application in the tenant `default`. */
  application(input?: Record<string, unknown>): Promise<TestApplication>;
  /** An access token of an application. */
  accessToken(application: TestApplication, form?: Record<string, string>): Promise<string>;
  /** Another instance of the services over the same store, with a clock of its own. @param changed settings that differ */
  instance(now?: () => number, changed?: Record<string, string>): Promise<Services>;
  close(): Promise<void>;
}

let names = 0;

/** Starts the product with the given functions, which register themselves when imported. */
export async function living(register: () => Promise<unknown>): Promise<Living> {
  const stored = await storedServices();
  const { cosmos, settings } = stored;
  Object.assign(process.env, settings);
  await import('../../functions/setup.ts');
  await register();
  const app = await runApp({ hostJson: { version: '2.0', extensions: { http: { routePrefix: '' } } } });
  const { url } = app.host;
  // The services are made by the first request, so the issuer may be the address that was found only now.
  settings['TOKEN_ISSUER'] = url;
  process.env['TOKEN_ISSUER'] = url;

  const call: Living['call'] = async (method, path, { token, tenant, json, body, headers } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'error',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(tenant === undefined ? {} : { 'sluice-tenant': tenant }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  };
  const token: Living['token'] = (form, headers = {}) =>
    call('POST', '/connect/token', { body: new URLSearchParams(form), headers });
  let admin: string | undefined;
  const manage: Living['manage'] = async (method, path, json, options = {}) => {
    admin ??= (await token({ grant_type: 'client_credentials', ...ADMIN })).body.access_token as string;
    return call(method, path, { token: admin, ...(json === undefined ? {} : { json }), ...options });
  };
  return {
    url,
    cosmos,
    log: app.log,
    call,
    manage,
    token,
    async application(input = {}) {
      const defaults = { name: `Application ${++names}`, expiresAt: '2099-12-31' };
      const { status, body, text } = await manage('POST', '/v1/external-applications', { ...defaults, ...input });
      if (status !== 201) throw new Error(`Creating an application answered ${status}: ${text}`);
      return body as TestApplication;
    },
    async accessToken({ clientId, clientSecret }, form = {}) {
      const credentials = { client_id: clientId, client_secret: clientSecret };
      const { status, body, text } = await token({ grant_type: 'client_credentials', ...credentials, ...form });
      if (status !== 200) throw new Error(`The token endpoint answered ${status}: ${text}`);
      return body.access_token as string;
    },
    instance: (now, changed) => stored.instance(now, changed),
    async close() {
      await app[Symbol.asyncDispose]();
      await stored.close();
    },
  };
}
