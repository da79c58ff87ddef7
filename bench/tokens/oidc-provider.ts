/** node-oidc-provider with JWT access tokens of the same algorithm, and nothing that a client_credentials server does not need. */
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
// @ts-expect-error -- it brings no types, and four members of it are used here
import Provider from 'oidc-provider';
import { CLIENT, contend } from './contestant.ts';

const alg = process.env['TOKEN_ALG'] ?? 'ES256';
const secret = 'slc_BenchBenchBenchBenchBenchBenchBenchBenchBenchBench123';
const { privateKey } = await generateKeyPair(alg, { extractable: true });
const provider = new Provider('http://127.0.0.1', {
  clients: [
    {
      client_id: CLIENT,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: alg,
    },
  ],
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg, use: 'sig', kid: 'bench' }] },
  scopes: ['app'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench',
      getResourceServerInfo: () => ({
        scope: 'app',
        accessTokenTTL: 3600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg } },
      }),
      useGrantedResource: () => true,
    },
  },
});
const callback = provider.callback() as Parameters<typeof createServer>[1];
contend(createServer(callback), '/token', {
  grant_type: 'client_credentials',
  client_id: CLIENT,
  client_secret: secret,
  scope: 'app',
});
