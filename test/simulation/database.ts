/**
 * The part of `@azure/cosmos` that the product's store uses, over a simulated account and a simulated network: the
 * product's own `Store` runs on it unchanged, with the SDK's results, status codes and errors.
 */
import type { Database, OperationInput, SqlQuerySpec } from '@azure/cosmos';
import type { JsonObject, Value } from '../../local/cosmos/json-value.ts';
import { textOf, type Account, type Answer, type Operation, type Writer } from './account.ts';

/** One request, as the network sees it. */
export interface StoreRequest {
  kind: 'read' | 'write' | 'query';
  what: string;
}

/** Carries a request to the account, and its answer back; or not. */
export type Network = <T>(request: StoreRequest, run: () => T) => Promise<T>;

/** Rows of a page where the caller does not say. */
const PAGE_ROWS = 100;

interface RequestOptions {
  accessCondition?: { condition: string };
}

interface QueryOptions {
  partitionKey?: string;
  maxItemCount?: number;
}

/** A connection to the account by one writer. */
export function connect(account: Account, network: Network, by: Writer): Database {
  const container = (name: string) => {
    const write = (what: string, pk: string, operations: Operation[]): Promise<Answer[]> =>
      network({ kind: 'write', what: `${what} ${name}/${pk}/${operations.map(({ id }) => id).join(',')}` }, () =>
        account.batch(name, pk, operations, by),
      );
    const one = async (kind: Operation['kind'], pk: string, operation: Omit<Operation, 'kind'>) => {
      const [answer] = await write(kind, pk, [{ kind, ...operation }]);
      return settled(answer);
    };
    return {
      item: (id: string, pk: string) => ({
        read: async () => {
          const resource = await network({ kind: 'read', what: `read ${name}/${pk}/${id}` }, () =>
            account.read(name, id, pk),
          );
          return { resource, statusCode: resource ? 200 : 404, requestCharge: 1 };
        },
        replace: (document: JsonObject, options: RequestOptions) =>
          one('replace', pk, { id, document, ...matching(options) }),
        delete: (options: RequestOptions) => one('delete', pk, { id, ...matching(options) }),
      }),
      items: {
        create: (document: JsonObject) =>
          one('create', account.keyOf(name, document), { id: textOf(document['id']), document }),
        upsert: (document: JsonObject) =>
          one('upsert', account.keyOf(name, document), { id: textOf(document['id']), document }),
        batch: async (inputs: OperationInput[], pk: string) => {
          const answers = await write('batch', pk, inputs.map(operationOf)).catch((error: unknown) => {
            throw asBatchFails(error);
          });
          return { result: answers.map(({ status, etag }) => ({ statusCode: status, eTag: etag })), requestCharge: 5 };
        },
        query: (spec: SqlQuerySpec, options: QueryOptions) => {
          const parameters = new Map(
            (spec.parameters ?? []).map((parameter) => [parameter.name, parameter.value as Value]),
          );
          const { partitionKey, maxItemCount: maxRows = PAGE_ROWS } = options;
          let continuation: string | undefined;
          let hasMore = true;
          return {
            hasMoreResults: () => hasMore,
            fetchNext: async () => {
              const page = await network({ kind: 'query', what: `query ${name}/${partitionKey ?? '*'}` }, () =>
                account.query(name, spec.query, parameters, partitionKey, { continuation, maxRows }),
              );
              ({ continuation } = page);
              hasMore = continuation !== undefined;
              return { resources: page.rows, requestCharge: 3 };
            },
          };
        },
      },
    };
  };
  // The store asks a database for containers and nothing else.
  return { container } as unknown as Database;
}

/** An error as the SDK throws it for a request that was answered with a status. */
export function statusError(code: number): Error {
  // Nobody reads where it was made, and finding that out costs more than the request.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = Object.assign(new Error(`The simulated account answered ${code}.`), { code });
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/** The SDK throws a plain error for a batch that failed as a whole; the status is only in its diagnostics. */
function asBatchFails(error: unknown): Error {
  const { code } = Object(error) as { code?: number };
  const diagnostics = { clientSideRequestStatistics: { gatewayStatistics: [{ statusCode: code }] } };
  return Object.assign(new Error('A batch failed.'), { diagnostics });
}

function settled(answer: Answer | undefined) {
  const { status = 500, document } = answer ?? {};
  if (status >= 400) throw statusError(status);
  return { resource: document && (JSON.parse(JSON.stringify(document)) as JsonObject), requestCharge: 5 };
}

function matching({ accessCondition }: RequestOptions): { ifMatch?: string } {
  return accessCondition ? { ifMatch: accessCondition.condition } : {};
}

function operationOf(input: OperationInput): Operation {
  const document = 'resourceBody' in input ? (input.resourceBody as JsonObject) : undefined;
  const kind = input.operationType.toLowerCase() as Operation['kind'];
  const id = 'id' in input && input.id !== undefined ? String(input.id) : textOf(document?.['id']);
  return {
    kind,
    id,
    ...(document ? { document } : {}),
    ...('ifMatch' in input && input.ifMatch !== undefined ? { ifMatch: input.ifMatch } : {}),
  };
}
