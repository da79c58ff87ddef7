/** nginx in front of the product, with the settings that a distribution ships. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../support/program.ts';
import { until } from '../support/until.ts';

/** A running nginx. */
export interface Nginx extends AsyncDisposable {
  /** Passes everything on as nginx does by default, so it follows the headers of our answers. */
  url: string;
  /** The same, but it ignores what our answers say about buffering, as if they did not say it. */
  deafUrl: string;
}

/** Starts nginx in front of `target`. */
export async function startNginx(program: string, target: string): Promise<Nginx> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-nginx-'));
  const [port, deafPort] = [await freePort(), await freePort()];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const server = (at: number, extra: string) => `
  server {
    listen 127.0.0.1:${at};
    location / { proxy_pass ${target}; ${extra} }
  }`;
  const configuration = `
daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/errors;
events { worker_connections 256; }
http {
  access_log off; gzip on; gzip_proxied any;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${server(port, '')}
  ${server(deafPort, 'proxy_ignore_headers X-Accel-Buffering;')}
}`;
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(file, configuration);
  let errors = '';
  const child = spawn(program, ['-p', folder, '-c', file, '-e', path.join(folder, 'errors')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${port}`;
  await until(() => {
    if (child.exitCode !== null) throw new Error(`nginx ended with code ${child.exitCode}: ${errors}`);
    return fetch(url).then(
      () => true,
      () => false,
    );
  }, 30_000);
  return {
    url,
    deafUrl: `http://127.0.0.1:${deafPort}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
