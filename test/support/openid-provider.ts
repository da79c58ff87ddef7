/** An OpenID provider as others run one: discovery, keys, an authorization endpoint that signs everybody in, tokens. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';

/** A running provider. */
export interface TestProvider {
  issuer: string;
  /** Who signs in next. */
  person: { subject: string };
  /** Changes the claims of the next tokens, to be wrong. */
  twist: JWTPayload;
  /** A token that it signs. */
  token(claims: JWTPayload, type?: string): Promise<string>;
  close(): Promise<void>;
}

/** Starts it. */
export async function startOpenIdProvider(clientId: string): Promise<TestProvider> {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  const codes = new Map<string, { challenge: string; nonce: string; redirectUri: string }>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', provider.issuer);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const answer = async () => {
      switch (url.pathname) {
        case '/.well-known/openid-configuration':
          return json({
            issuer: provider.issuer,
            authorization_endpoint: `${provider.issuer}/authorize`,
            token_endpoint: `${provider.issuer}/token`,
            jwks_uri: `${provider.issuer}/keys`,
          });
        case '/keys':
          return json({ keys: [jwk] });
        case '/authorize': {
          const asked = (name: string) => url.searchParams.get(name) ?? '';
          const code = `code-${codes.size}`;
          const redirectUri = asked('redirect_uri');
          codes.set(code, { challenge: asked('code_challenge'), nonce: asked('nonce'), redirectUri });
          const back = new URL(redirectUri);
          back.search = new URLSearchParams({ code, state: asked('state') }).toString();
          return response.writeHead(302, { location: back.href }).end();
        }
        case '/token': {
          let text = '';
          for await (const chunk of request) text += String(chunk);
          const form = new URLSearchParams(text);
          const known = codes.get(form.get('code') ?? '');
          codes.delete(form.get('code') ?? '');
          const challenge = createHash('sha256')
            .update(form.get('code_verifier') ?? '')
            .digest('base64url');
          if (!known || known.challenge !== challenge || known.redirectUri !== form.get('redirect_uri')) {
            return json({ error: 'invalid_grant' }, 400);
          }
          const claims = { sub: provider.person.subject, aud: clientId, nonce: known.nonce, ...provider.twist };
          return json({ access_token: 'opaque', token_type: 'Bearer', id_token: await provider.token(claims) });
        }
        default:
          return json({ error: 'not_found' }, 404);
      }
    };
    void answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const provider: TestProvider = {
    issuer: `http://127.0.0.1:${port}`,
    person: { subject: 'ada' },
    twist: {},
    token: (claims, typ = 'JWT') =>
      new SignJWT({ iss: provider.issuer, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'one', typ })
        .setIssuedAt()
        .setExpirationTime(claims.exp ?? '5m')
        .sign(privateKey),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}
