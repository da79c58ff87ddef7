/** The REST data plane under `/api/hubs/{hub}`. */
import type { IncomingMessage } from 'node:http';
import { verifyToken } from './access-token.ts';
import { readRequestPath } from './request-path.ts';
import { operations, type Operation, type OperationAnswer } from './service-operations.ts';
import { badRequest, ServiceError } from './service-error.ts';
import type { Service } from './service.ts';

/** The versions whose operations are a subset of these. */
const apiVersions = ['2021-10-01', '2022-11-01', '2023-07-01', '2024-01-01', '2024-12-01'];

const routes = operations.map((operation) => ({ operation, parts: operation.path.split('/') }));

/**
 * Answers one request of the service SDK.
 * @throws ServiceError naming what is wrong, or the operation that does not exist here
 */
export async function callService(service: Service, request: IncomingMessage): Promise<OperationAnswer> {
  const { path, segments, query } = readRequestPath(request.url);
  const host = request.headers.host ?? '';
  const [operation, parameters] = route(request.method ?? '', path, segments);
  const version = query.get('api-version');
  if (version === null || !apiVersions.includes(version)) {
    throw badRequest('api-version', `api-version must be one of ${apiVersions.join(', ')}, not '${version ?? ''}'.`);
  }
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  await verifyToken(service.key, bearer, { host, path }, service.now());
  service.endAbandoned();
  const rejection = service.faults.takeRejection(operation.name);
  if (rejection) {
    throw new ServiceError(rejection.status, rejection.code, 'Refused by a fault.', {
      headers: { 'retry-after': String(rejection.retryAfterSeconds) },
    });
  }
  return operation.run({
    service,
    hub: service.hub(segments[2] ?? ''),
    request,
    query,
    url: new URL(request.url ?? '/', `http://${host}`),
    parameter: (name) => {
      const value = parameters.get(name);
      if (value === undefined || value === '') throw badRequest(name, `${name} is empty.`);
      return value;
    },
  });
}

/** Finds the operation, by the path first, so that a wrong verb is told from a wrong path. */
function route(method: string, path: string, segments: string[]): [Operation, Map<string, string>] {
  const allowed: string[] = [];
  const rest = segments[0] === 'api' && segments[1] === 'hubs' ? segments.slice(3) : [];
  for (const { operation, parts } of routes) {
    const parameters = match(parts, rest);
    if (parameters && operation.method === method) return [operation, parameters];
    if (parameters) allowed.push(operation.method);
  }
  if (allowed.length > 0) {
    throw new ServiceError(405, 'MethodNotAllowed', `${method} ${path} does not exist: use ${allowed.join(' or ')}.`, {
      headers: { allow: allowed.join(', ') },
    });
  }
  throw new ServiceError(404, 'OperationNotFound', `${method} ${path} is not an operation of this local Web PubSub.`, {
    target: `${method} ${path}`,
  });
}

function match(parts: string[], segments: string[]): Map<string, string> | undefined {
  if (parts.length !== segments.length) return undefined;
  const parameters = new Map<string, string>();
  for (const [at, part] of parts.entries()) {
    const segment = segments[at] ?? '';
    if (part.startsWith('{')) parameters.set(part.slice(1, -1), segment);
    else if (part !== segment) return undefined;
  }
  return parameters;
}
