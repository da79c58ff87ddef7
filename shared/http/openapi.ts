/** The API's description as OpenAPI 3.1, made of the very schemas that check the requests. */
import { z } from 'zod';
import type { Operation, OperationInput, Verb } from './endpoint.ts';

/** A route with what serves it. */
export interface DescribedRoute {
  route: string;
  operations: Partial<Record<Verb, Operation>>;
}

type Json = Record<string, unknown>;

const PROBLEM = '#/components/schemas/Problem';

/** Describes the routes. @param server the public base URL */
export function openApiDocument(routes: readonly DescribedRoute[], info: { version: string; server: string }): Json {
  const schemas: Json = { Problem: problemSchema };
  const paths = Object.fromEntries(
    routes
      .toSorted((a, b) => (a.route < b.route ? -1 : 1))
      .map(({ route, operations }) => [
        `/${route}`,
        Object.fromEntries(
          Object.entries(operations).map(([verb, { input }]) => [
            verb.toLowerCase(),
            describe(input, operationId(verb, route), route, schemas),
          ]),
        ),
      ]),
  );
  return {
    openapi: '3.1.0',
    info: { title: 'Sluice', version: info.version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: info.server }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: {
          type: 'oauth2',
          flows: {
            clientCredentials: {
              tokenUrl: `${info.server}/connect/token`,
              scopes: { app: 'Read telemetry', basic: 'Introspect tokens' },
            },
            authorizationCode: {
              authorizationUrl: `${info.server}/oauth/authorize`,
              tokenUrl: `${info.server}/connect/token`,
              scopes: { me: "Act in a person's name", openid: 'Know who the person is' },
            },
          },
        },
      },
    },
  };
}

function describe(input: OperationInput, id: string, route: string, schemas: Json): Json {
  const { summary, guarded, params, query, body } = input;
  const parameters = [...pathParameters(route, params), ...queryParameters(query)];
  return {
    operationId: id,
    ...(summary === undefined ? {} : { summary }),
    ...(guarded ? { security: [{ token: [] }] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            content: { [body.contentType]: { schema: body.schema ? component(body.schema, id, schemas) : FORM } },
          },
        }),
    responses: {
      '2XX': { description: 'Done.' },
      default: {
        description: 'Refused, as RFC 9457 problem details; the OAuth endpoints answer as RFC 6749 §5.2 says.',
        content: { 'application/problem+json': { schema: { $ref: PROBLEM } } },
      },
    },
  };
}

const FORM = { type: 'object', additionalProperties: { type: 'string' } };

function pathParameters(route: string, params: z.ZodType | undefined): Json[] {
  const { properties = {} } = params ? jsonSchema(params) : {};
  return [...route.matchAll(/\{\*?([^}]+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: (properties as Json)[name] ?? { type: 'string' },
  }));
}

function queryParameters(query: z.ZodType | undefined): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = jsonSchema(query) as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

/** Puts a body's schema, and what it refers to, among the components: a reference inside must not depend on its place. */
function component(schema: z.ZodType, id: string, schemas: Json): Json {
  const { $defs = {}, ...own } = jsonSchema(schema) as { $defs?: Json };
  const name = `${id}Body`;
  const rename = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rename);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        key === '$ref' && typeof inner === 'string'
          ? inner
              .replace(/^#\/\$defs\/_*/, `#/components/schemas/${name}_`)
              .replace(/^#$/, `#/components/schemas/${name}`)
          : rename(inner),
      ]),
    );
  };
  for (const [key, inner] of Object.entries($defs)) schemas[`${name}_${key.replace(/^_+/, '')}`] = rename(inner);
  schemas[name] = rename(own);
  return { $ref: `#/components/schemas/${name}` };
}

function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest as Json;
}

function operationId(verb: string, route: string): string {
  const words = route.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return verb.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'One sentence that says what to do.' },
    instance: { type: 'string', format: 'uri', description: 'The request.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'rule'],
        properties: { field: { type: 'string' }, rule: { type: 'string' }, got: { type: 'string' } },
      },
    },
  },
};
