// Before provisioning: one clear line for what would fail later, and the master key of a new environment.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';

const { env } = process;

function fail(line) {
  console.error(line);
  process.exit(1);
}

const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`Node ${process.versions.node} is too old: 20 or newer is needed.`);
if (env.SLUICE_PROFILE && !['dev', 'prod'].includes(env.SLUICE_PROFILE)) {
  fail(`SLUICE_PROFILE is "${env.SLUICE_PROFILE}": it must be dev or prod.`);
}
if (env.SLUICE_MASTER_KEY && Buffer.from(env.SLUICE_MASTER_KEY, 'base64').length < 32) {
  fail('SLUICE_MASTER_KEY must be 32 or more bytes in base64.');
}
if (!env.SLUICE_MASTER_KEY && env.SLUICE_MASTER_KEY_STORED !== 'true') {
  const { status } = spawnSync('azd', ['env', 'set', 'SLUICE_MASTER_KEY', randomBytes(32).toString('base64')], {
    stdio: 'inherit',
  });
  if (status !== 0) fail('The master key could not be put into the azd environment.');
}
