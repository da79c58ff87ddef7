/** The servers that are compared, each as a process of its own. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram, freePort } from '../../test/support/program.ts';
import { until } from '../../test/support/until.ts';
import { telemetry } from './events.ts';
import type { Publish } from './server.ts';

/** Clock ticks per second of /proc/PID/stat, and bytes of a page. */
const TICKS_PER_SECOND = 100;

/** A running server. */
export interface Candidate {
  name: string;
  port: number;
  path: string;
  /** Resolves when the batch is handed to the streams. */
  publish(batch: Publish): Promise<void>;
  /** Seconds of processor time so far. */
  cpuSeconds(): number;
  /** Bytes in memory. */
  rss(): number;
  stop(): void;
}

/** Our own and the npm servers by name. */
export const NODE_SERVERS = ['relay', 'relay-stock', 'relay-host', 'better-sse', '@fastify/sse'];

const NODE_ARGUMENTS = [
  // A small young generation: V8 lets it grow to 64 MB while thousands connect, and that would count as their memory.
  '--max-semi-space-size=4',
  // One of them adds a listener a batch to a response that stalls, and Node a warning for each.
  '--disable-warning=MaxListenersExceededWarning',
];

/** Starts a server of server.ts. */
export async function startNodeServer(name: string): Promise<Candidate> {
  const child = fork(path.join(import.meta.dirname, 'server.ts'), [name], { execArgv: NODE_ARGUMENTS });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port));
    child.once('exit', (code) => reject(new Error(`${name} ended with code ${code}`)));
  });
  child.removeAllListeners('exit');
  return {
    name,
    port,
    path: '/stream',
    publish: (batch) =>
      new Promise((resolve) => {
        child.once('message', () => resolve());
        child.send(batch);
      }),
    ...measured(child),
    stop: () => child.disconnect(),
  };
}

const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

/** Starts nginx with nchan; undefined where Debian's libnginx-mod-nchan is not installed. */
export async function startNchan(): Promise<Candidate | undefined> {
  const program = existsSync(MODULE) ? findProgram('nginx') : undefined;
  if (program === undefined) return undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-nchan-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    path.join(folder, 'nginx.conf'),
    `load_module ${MODULE}; daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/errors;
    worker_rlimit_nofile 20000; events { worker_connections 12000; }
    http { access_log off; nchan_shared_memory_size 256M; keepalive_requests 100000000;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
      server { listen 127.0.0.1:${port} backlog=4096;
        location /pub { nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length 20; }
        location /stream { nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest; }
      } }`,
  );
  const child = spawn(program, [
    '-p',
    folder,
    '-c',
    path.join(folder, 'nginx.conf'),
    '-e',
    path.join(folder, 'errors'),
  ]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (body: string) =>
    new Promise<void>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path: '/pub', method: 'POST', agent }, (response) => {
        response.resume();
        response.once('end', resolve);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  await until(() =>
    post('open').then(
      () => true,
      () => false,
    ),
  );
  await delay(100);
  return {
    name: 'nchan',
    port,
    path: '/stream',
    // It has no batches: a message a request.
    publish: async ({ from, events, bytes }) => {
      for (let index = 0; index < events; index++) await post(JSON.stringify(telemetry(from + index, bytes)));
    },
    ...measured(child),
    stop: () => {
      agent.destroy();
      child.kill();
    },
  };
}

function measured({ pid }: ChildProcess): Pick<Candidate, 'cpuSeconds' | 'rss'> {
  return {
    cpuSeconds: () => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
  };
}
