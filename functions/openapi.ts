/** The API's description. */
import { operation } from '../shared/http/endpoint.ts';
import { openApiDocument } from '../shared/http/openapi.ts';
import packageJson from '../package.json' with { type: 'json' };
import { httpRoute, registeredRoutes } from './http-route.ts';
import { services } from './services.ts';

httpRoute('openapi', 'v1/openapi.json', {
  GET: operation({ summary: 'Describe this API' }, async () => {
    const { issuer: server } = await services();
    return {
      headers: { 'cache-control': 'public, max-age=300', 'access-control-allow-origin': '*' },
      jsonBody: openApiDocument(registeredRoutes, { version: packageJson.version, server }),
    };
  }),
});
