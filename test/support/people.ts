/** People who sign in: users of the tenant, and a browser that keeps its cookie and sends forms as pages have them. */
import { createHash, randomBytes } from 'node:crypto';
import type { Living, TestApplication } from './living.ts';

const PASSWORD = 'correct horse battery staple';
export const CALLBACK = 'https://client.example/callback';

/** A user as a creation answers it, with what it signs in by. */
export interface TestUser {
  id: string;
  login: string;
  password: string;
}

let users = 0;

/** Creates a user, by default of the tenant `default`. */
export async function newUser(
  api: Living,
  input: Record<string, unknown> = {},
  options: { tenant?: string } = {},
): Promise<TestUser> {
  const login = `person-${++users}@example.com`;
  const { status, body, text } = await api.manage(
    'POST',
    '/v1/users',
    { login, password: PASSWORD, ...input },
    options,
  );
  if (status !== 201) throw new Error(`Creating a user answered ${status}: ${text}`);
  return { id: body.id as string, login: body.login as string, password: PASSWORD };
}

/** A verifier and its challenge (RFC 7636). */
export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

/** Parameters of an authorization request. */
export function authorizationRequest(
  { clientId }: Pick<TestApplication, 'clientId'>,
  challenge: string,
  change: Record<string, string | undefined> = {},
): URLSearchParams {
  const all = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: CALLBACK,
    state: 'a state & more',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...change,
  };
  return new URLSearchParams(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** What a browser was answered. */
interface Page {
  status: number;
  headers: Headers;
  text: string;
  /** Where it was sent on; nothing is followed. */
  location: URL | undefined;
}

/** A browser without scripts, of one person. */
export class Browser {
  cookie = '';
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** Opens an address. */
  get(address: string | URL): Promise<Page> {
    return this.#send(address, {});
  }

  /** Presses a button of a page's form. */
  async submit(page: Page, button: string, fields: Record<string, string> = {}): Promise<Page> {
    const action = /<form method="post" action="([^"]*)"/.exec(page.text)?.[1];
    const token = /name="form_token" value="([^"]*)"/.exec(page.text)?.[1];
    if (action === undefined || token === undefined) throw new Error(`There is no form on this page:\n${page.text}`);
    return this.post(unescaped(action), { form_token: token, action: button, ...fields });
  }

  /** Sends a form. */
  post(address: string | URL, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
    return this.#send(address, { method: 'POST', body: new URLSearchParams(fields), headers });
  }

  /** Signs in and allows. @returns where the person is sent back to */
  async allow(request: URLSearchParams, user: TestUser, fields: Record<string, string> = {}): Promise<URL> {
    let page = await this.get(`/oauth/authorize?${request.toString()}`);
    if (page.text.includes('name="password"')) {
      const { login, password } = user;
      const signedIn = await this.submit(page, 'sign-in', { login, password, ...fields });
      if (!signedIn.location) throw new Error(`Signing in answered ${signedIn.status}: ${signedIn.text}`);
      page = await this.get(signedIn.location);
    }
    if (!page.location) page = await this.submit(page, 'allow');
    if (!page.location) throw new Error(`Allowing answered ${page.status}: ${page.text}`);
    return page.location;
  }

  async #send(address: string | URL, init: RequestInit): Promise<Page> {
    const response = await fetch(new URL(address, this.#base), {
      ...init,
      redirect: 'manual',
      headers: { ...(init.headers as Record<string, string>), ...(this.cookie === '' ? {} : { cookie: this.cookie }) },
    });
    const cookie = response.headers.get('set-cookie');
    if (cookie !== null) this.cookie = cookie.split(';')[0] ?? '';
    const location = response.headers.get('location');
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? undefined : new URL(location, this.#base),
    };
  }
}

/** Signs a person in through an application. @returns the answer of the token endpoint */
export async function codeFlow(
  api: Living,
  application: TestApplication,
  user: TestUser,
  change: Record<string, string | undefined> = {},
) {
  const { verifier, challenge } = pkce();
  const request = authorizationRequest(application, challenge, change);
  const back = await new Browser(api.url).allow(request, user);
  const { clientId: client_id, clientSecret } = application;
  return api.token({
    grant_type: 'authorization_code',
    code: back.searchParams.get('code') ?? '',
    redirect_uri: request.get('redirect_uri') ?? '',
    code_verifier: verifier,
    client_id,
    ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
  });
}

function unescaped(text: string): string {
  return text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}
