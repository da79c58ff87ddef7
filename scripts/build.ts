/** `npm run build`: bundles the function app into build/app, the folder that Azure takes as it is. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = path.join(root, 'build', 'app');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
/**
 * What no setting of ours can reach: zod's messages in fifty languages and its reading of JSON Schema, checks for Nodes before
 * 16, nodemailer's tables of mail services and of the types of attachments.
 */
const withoutBallast: Plugin = {
  name: 'without-ballast',
  setup: (bundler) => {
    bundler.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, ({ path: file }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: path.dirname(file),
    }));
    bundler.onLoad({ filter: /zod[\\/]v4[\\/]classic[\\/]from-json-schema\.js$/ }, () => ({
      contents: 'export const fromJSONSchema = undefined;',
    }));
    // Each asks, through all of semver, whether Node is older than 16.
    bundler.onLoad({ filter: /jsonwebtoken[\\/]lib[\\/]\w*(?:psSupported|DetailsSupported)\.js$/ }, () => ({
      contents: 'module.exports = true;',
    }));
    bundler.onLoad({ filter: /nodemailer[\\/]dist[\\/]esm[\\/]well-known[\\/]services\.js$/ }, () => ({
      contents: 'export const services = {};',
    }));
    bundler.onLoad({ filter: /nodemailer[\\/]dist[\\/]esm[\\/]mime-funcs[\\/]mime-types\.js$/ }, () => ({
      contents: "export const detectMimeType = () => 'application/octet-stream', detectExtension = () => 'bin';",
    }));
  },
};

await build({
  absWorkingDir: root,
  entryPoints: ['functions/index.ts'],
  outfile: path.join(out, 'index.js'),
  bundle: true,
  platform: 'node',
  target: 'node22',
  // CommonJS: the worker supplies @azure/functions-core by require, and OpenTelemetry's hooks see only that.
  format: 'cjs',
  external: ['@azure/functions-core'],
  minify: true,
  sourcemap: 'external',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [withoutBallast],
});
// Beside the folder, not in it: the map is for reading stack traces and would be four fifths of the package.
renameSync(path.join(out, 'index.js.map'), path.join(root, 'build', 'index.js.map'));
const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  name: string;
  version: string;
};
writeFileSync(
  path.join(out, 'package.json'),
  `${JSON.stringify({ name, version, type: 'commonjs', main: 'index.js' }, null, 2)}\n`,
);
cpSync(path.join(root, 'host.json'), path.join(out, 'host.json'));
