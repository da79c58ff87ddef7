/**
 * What the host answers about itself under `/admin`, by the names of the platform: is it up, which functions are there,
 * run one by hand. With keys on it asks for the master key.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { z } from 'zod';
import { hostVersion } from '../core/functions-core.ts';
import type { Executor } from '../executor.ts';
import { type Keys, isAuthorised } from '../http/keys.ts';
import { readBody } from '../http/request-body.ts';
import type { KnownFunction } from '../index-functions.ts';
import type { InvocationInput } from '../worker.ts';

/** Why an invocation ran, in its log line. */
const REASON = 'This function was programmatically called via the host APIs.';
/** Bytes of a request to run a function: its input stands for one message. */
const INPUT_BYTES_MAX = 1024 * 1024;

const runRequest = z.object({ input: z.string({ error: 'must be a text, also when it is JSON' }).default('') });

export interface AdminOptions {
  appFolder: string;
  functions: KnownFunction[];
  keys: Keys | undefined;
  executor: Executor;
}

/** Answers requests under `/admin`; resolves when the answer has been given. */
export type AdminApi = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

/** Makes the API of one host. */
export function createAdminApi({ appFolder, functions, keys, executor }: AdminOptions): AdminApi {
  const startedAt = performance.now();
  const identity = {
    // Stable for an app on a machine, as the platform's host id is.
    id: createHash('sha256').update(`${hostname()} ${appFolder}`).digest('hex').slice(0, 32),
    instanceId: randomUUID(),
    computerName: hostname(),
  };

  const run = async (request: IncomingMessage, response: ServerResponse, known: KnownFunction) => {
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) return end(response, 415);
    const parsed = runRequest.safeParse(parse(await readBody(request, INPUT_BYTES_MAX)));
    if (!parsed.success)
      return refuse(response, `The body must be {"input": "…"}: ${parsed.error.issues[0]?.message}.`);
    if (known.manualInput === undefined) {
      return refuse(response, `'${known.fn.metadata.name}' is an HTTP function: call its own URL.`);
    }
    let input: InvocationInput;
    try {
      input = known.manualInput(parsed.data.input);
    } catch (error) {
      return refuse(response, `${(error as Error).message}.`);
    }
    // As on the platform the answer does not wait for the outcome, which the log tells.
    void executor.run(known.fn, input, REASON);
    end(response, 202);
  };

  return async (request, response, url) => {
    const [, , kind = '', name = '', detail, ...more] = url.pathname.split('/');
    const path = `${kind}/${name}`.toLowerCase();
    if (path === 'host/ping' && detail === undefined) return end(response, 200);
    if (keys && !isAuthorised(keys, request, url, 'admin', '')) return end(response, 401);
    if (path === 'host/status' && detail === undefined) {
      const processUptime = Math.round(performance.now() - startedAt);
      const about = { ...identity, state: 'Running', version: hostVersion, versionDetails: hostVersion };
      return send(response, 200, { ...about, platformVersion: '', processUptime, errors: [] });
    }
    if (kind.toLowerCase() !== 'functions' || more.length > 0) return end(response, 404);
    if (name === '')
      return send(
        response,
        200,
        functions.map((known) => describe(known, url)),
      );
    const known = functions.find(({ fn }) => fn.metadata.name.toLowerCase() === decode(name).toLowerCase());
    if (known === undefined) return end(response, 404);
    if (detail === undefined && request.method === 'POST') return run(request, response, known);
    if (detail === undefined) return send(response, 200, describe(known, url));
    if (detail.toLowerCase() === 'status') return send(response, 200, { errors: [] });
    end(response, 404);
  };
}

function describe({ fn, disabled, http }: KnownFunction, url: URL): object {
  const { name, bindings } = fn.metadata;
  return {
    name,
    href: `${url.origin}/admin/functions/${encodeURIComponent(name)}`,
    ...(http === undefined ? {} : { invoke_url_template: `${url.origin}/${http.template.text}` }),
    language: 'node',
    isDisabled: disabled,
    config: { name, bindings: Object.values(bindings) },
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function refuse(response: ServerResponse, message: string): void {
  send(response, 400, { message });
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 }).end();
}
