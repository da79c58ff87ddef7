/**
 * Access tokens: issuance and verification beside node-oidc-provider. Same algorithm, the same form, one server process
 * each, taking turns. A server works on one core; tokens a second of a core come from its processor time, which what else
 * the machine does hardly changes.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { decodeProtectedHeader, jwtVerify, createLocalJWKSet } from 'jose';
import { createServices } from '../functions/services.ts';
import { startCosmos } from '../local/cosmos/cosmos.ts';
import { provision } from '../local/provision.ts';
import { loadConfig } from '../shared/config.ts';
import { keySet } from '../shared/oauth/metadata.ts';
import { measure } from './measure.ts';

const CONNECTIONS = 16;
const TOKENS_A_ROUND = 8_000;
const ROUNDS = 5;
const VERIFICATIONS = 2_000;
const ALGORITHMS = ['ES256', 'RS256'] as const;

interface Contestant {
  name: string;
  url: URL;
  body: string;
  /** Microseconds of processor time so far. */
  cpu(): Promise<number>;
  stop(): void;
}

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

async function start(name: string, file: string, env: Record<string, string>): Promise<Contestant> {
  const path = fileURLToPath(new URL(`tokens/${file}.ts`, import.meta.url));
  const child: ChildProcess = fork(path, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`${name} ended with code ${code}.`);
  });
  const next = <T>() =>
    new Promise<T>((resolve) => {
      child.once('message', (message) => resolve(message as T));
    });
  const { url, form } = await next<{ url: string; form: Record<string, string> }>();
  return {
    name,
    url: new URL(url),
    body: new URLSearchParams(form).toString(),
    async cpu() {
      const answer = next<{ cpu: number }>();
      child.send('cpu');
      return (await answer).cpu;
    },
    stop: () => child.disconnect(),
  };
}

/** One token. @throws Error when anything but a token comes */
function ask({ url, body }: Contestant): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
    const request = httpRequest(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const { access_token: token } = JSON.parse(text) as { access_token?: string };
        if (token === undefined) reject(new Error(`${url.href} answered ${response.statusCode}: ${text}`));
        else resolve(token);
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Asks for tokens over all connections. */
async function load(contestant: Contestant, tokens: number): Promise<void> {
  let left = tokens;
  const connection = async () => {
    // oxlint-disable-next-line no-await-in-loop -- a connection asks again when it has its answer
    while (left-- > 0) await ask(contestant);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const perSecond = (value: number) => Math.round(value).toLocaleString('en').padStart(8);

const cosmos = await startCosmos({ port: 0 });
await provision(cosmos);
const settings = {
  COSMOS_ENDPOINT: cosmos.endpoint,
  COSMOS_KEY: cosmos.key,
  EventHubConnection: 'Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b',
  TELEMETRY_HUB: 'telemetry',
  WEBPUBSUB_CONNECTION_STRING: 'Endpoint=http://127.0.0.1:1;AccessKey=none;Version=1.0;',
  WEBPUBSUB_HUB: 'sluice',
  SLUICE_MASTER_KEY: randomBytes(32).toString('base64'),
  TOKEN_ISSUER: 'http://127.0.0.1',
};

const figures: Record<string, Record<string, number>> = {};

for (const algorithm of ALGORITHMS) {
  const env = { ...settings, TOKEN_ALG: algorithm, COSMOS_DATABASE: 'sluice', NODE_ENV: 'production' };
  const ours = await start('ours, audit, throttle and store on', 'ours', env);
  const theirs = await start('oidc-provider, in memory', 'oidc-provider', env);
  const contestants = [ours, theirs];
  const core = new Map<string, number[]>();
  const clock = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const contestant of contestants) {
      const [cpuBefore, before] = [await contestant.cpu(), performance.now()];
      await load(contestant, TOKENS_A_ROUND);
      const [cpu, seconds] = [(await contestant.cpu()) - cpuBefore, (performance.now() - before) / 1000];
      if (round === 0) continue;
      core.set(contestant.name, [...(core.get(contestant.name) ?? []), (TOKENS_A_ROUND * 1e6) / cpu]);
      clock.set(contestant.name, [...(clock.get(contestant.name) ?? []), TOKENS_A_ROUND / seconds]);
    }
  }
  console.log(`issuance, ${algorithm}, ${CONNECTIONS} connections`);
  const rates = contestants.map(({ name }) => median(core.get(name) ?? []));
  for (const [index, { name }] of contestants.entries()) {
    console.log(
      `  ${name.padEnd(36)} ${perSecond(rates[index] ?? 0)} tokens/s a core, ${perSecond(median(clock.get(name) ?? []))} on the clock`,
    );
  }
  const ratio = (rates[0] ?? 0) / (rates[1] ?? 1);
  console.log(`  ${ratio.toFixed(2)}x, goal 1.5x`);

  const services = await createServices(loadConfig({ ...process.env, ...env }));
  const token = await ask(ours);
  const tokens = await Promise.all(Array.from({ length: VERIFICATIONS }, () => ask(ours)));
  const { jsonBody } = await keySet(services.keys);
  const keys = createLocalJWKSet(jsonBody as Parameters<typeof createLocalJWKSet>[0]);
  const nanoseconds = await measure(
    [
      {
        name: 'jose alone, local keys',
        operations: VERIFICATIONS,
        run: async () => {
          for (const each of tokens) await jwtVerify(each, keys, { issuer: services.issuer, typ: 'at+jwt' });
        },
      },
      {
        name: 'ours, a token seen before',
        operations: VERIFICATIONS * 10,
        run: async () => {
          for (let count = 0; count < VERIFICATIONS * 10; count++) await services.tokens.verify(token);
        },
      },
    ],
    3,
  );
  console.log(`verification, ${String(decodeProtectedHeader(token).alg)}`);
  for (const [name, each] of nanoseconds) console.log(`  ${name.padEnd(36)} ${perSecond(1e9 / each)} /s a core`);
  const [alone = Number.NaN, seen = Number.NaN] = [...nanoseconds.values()].map((each) => 1e9 / each);
  figures[algorithm] = {
    ours: rates[0] ?? 0,
    oidcProvider: rates[1] ?? 0,
    ratio,
    verifyByJose: alone,
    verifySeen: seen,
  };
  for (const contestant of contestants) contestant.stop();
}
console.log(JSON.stringify(figures));
agent.destroy();
await cosmos.close();
