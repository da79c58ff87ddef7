/** A request and its answer, whatever carries them. */

/** Headers by their name in small letters. */
export type Headers = Readonly<Record<string, string | undefined>>;

export interface CosmosRequest {
  method: string;
  /** Path of the URL, without the query string. */
  path: string;
  headers: Headers;
  body: string;
}

export interface CosmosResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What kind of work a request asks for: the name by which faults and statistics know it. */
export const OPERATION_KINDS = [
  'account',
  'database',
  'container',
  'offer',
  'partition-key-ranges',
  'create',
  'upsert',
  'replace',
  'read',
  'delete',
  'patch',
  'batch',
  'bulk',
  'query',
  'query-plan',
  'read-feed',
  'change-feed',
  'delete-partition',
  'function',
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** A header whose value is `true`, in any case. */
export function isTrue(header: string | undefined): boolean {
  return header?.toLowerCase() === 'true';
}
