/** The API as an administrator of the local system uses it. */
import type { Connection } from './local-system.ts';

/** One answer. */
interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

/** Sends requests with the administrator's token. */
export interface AdministratorApi {
  token: string;
  send<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
}

/** Fetches a token with form fields. @throws Error with the answer when it is refused */
export async function fetchToken(api: string, form: Record<string, string>): Promise<string> {
  const response = await fetch(`${api}/connect/token`, { method: 'POST', body: new URLSearchParams(form) });
  const body = (await response.json()) as { access_token?: string };
  if (!body.access_token) throw new Error(`No token: ${response.status} ${JSON.stringify(body)}`);
  return body.access_token;
}

/** Signs in as the local administrator. */
export async function administrator({ api, admin }: Pick<Connection, 'api' | 'admin'>): Promise<AdministratorApi> {
  const token = await fetchToken(api, admin);
  return {
    token,
    async send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(`${api}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: (text === '' ? undefined : JSON.parse(text)) as T,
      };
    },
  };
}

/** Makes an external application. @returns its credentials as form fields for the token endpoint, and its id */
export async function newApplication(admin: AdministratorApi, body: Record<string, unknown>) {
  const answer = await admin.send<{ id: string; clientId: string; clientSecret: string }>(
    'POST',
    '/v1/external-applications',
    {
      expiresAt: '2099-12-31',
      ...body,
    },
  );
  if (answer.status !== 201) throw new Error(`No application: ${answer.status} ${JSON.stringify(answer.body)}`);
  const { id, clientId, clientSecret } = answer.body;
  return { id, form: { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret } };
}
