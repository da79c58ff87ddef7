/** Our token endpoint as it is deployed, audit, throttle and store included, on a bare HTTP server. */
import { createServer } from 'node:http';
import { HttpRequest, type HttpResponseInit } from '@azure/functions';
import { createServices } from '../../functions/services.ts';
import { loadConfig } from '../../shared/config.ts';
import { formBody } from '../../shared/http/body.ts';
import { endpoints, operation } from '../../shared/http/endpoint.ts';
import { issueToken } from '../../shared/oauth/issue-token.ts';
import { renderOAuthError } from '../../shared/oauth/oauth-error.ts';
import { tenantId } from '../../shared/identity/ids.ts';
import { createApplication, newApplicationIds } from '../../shared/applications/create-application.ts';
import { newApplication } from '../../shared/applications/application-input.ts';
import { contend } from './contestant.ts';

const services = await createServices(loadConfig());
const input = newApplication.parse({ name: `Benchmark ${process.env['TOKEN_ALG']}`, expiresAt: '2099-12-31' });
const ids = newApplicationIds(Date.now());
const created = await createApplication(services, tenantId.parse('default'), input, ids);
if (!created?.clientSecret) throw new Error('No application was created.');

const handler = endpoints('connect/token', {
  POST: operation({ body: formBody(), renderProblem: renderOAuthError }, (call) => issueToken(services, call)),
});
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const asked = new HttpRequest({
      method: request.method ?? 'GET',
      url: `${services.issuer}${request.url ?? ''}`,
      headers: request.headers as Record<string, string>,
      body: { string: Buffer.concat(chunks).toString() },
    });
    void Promise.resolve(handler(asked, {} as never)).then((answer) => {
      const { status = 200, headers, body } = answer as HttpResponseInit;
      const text = body as string;
      response.setHeaders(headers as Headers);
      response.setHeader('content-length', Buffer.byteLength(text));
      response.writeHead(status);
      response.end(text);
    });
  });
});
contend(server, '/connect/token', {
  grant_type: 'client_credentials',
  client_id: ids.clientId,
  client_secret: created.clientSecret,
});
