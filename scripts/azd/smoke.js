// After deploying: the API answers, its metadata names itself, and the stream refuses a stranger properly.
// Roles take minutes to arrive at a first deployment, so it is patient.
import { setTimeout as delay } from 'node:timers/promises';

const api = process.env.SERVICE_API_URI?.replace(/\/$/, '');
/** Attempts, ten seconds apart. */
const ATTEMPTS = 30;
const DELAY_MS = 10_000;

async function check() {
  const ready = await fetch(`${api}/readyz`);
  if (ready.status !== 200) return `readyz answers ${ready.status}`;
  const metadata = await fetch(`${api}/.well-known/oauth-authorization-server`);
  if (metadata.status !== 200) return `the metadata answers ${metadata.status}`;
  const { token_endpoint: endpoint } = await metadata.json();
  if (!endpoint?.startsWith('https://')) return `the token endpoint is ${endpoint}`;
  const stream = await fetch(`${api}/v1/stream/telemetry`);
  if (stream.status !== 401) return `the stream answers a stranger with ${stream.status}`;
  return undefined;
}

if (!api) {
  console.error('SERVICE_API_URI is not set: run azd provision first.');
  process.exit(1);
}
let trouble = '';
for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
  if (attempt > 0) await delay(DELAY_MS);
  trouble = (await check().catch((error) => `${error.cause?.code ?? error.message}`)) ?? '';
  if (trouble === '') break;
  console.log(`Not yet: ${trouble}.`);
}
if (trouble !== '') {
  console.error(`The deployment does not answer as it should: ${trouble}.`);
  process.exit(1);
}
console.log(`Sluice answers at ${api}.`);
