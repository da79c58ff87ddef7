/** The change feed (pull, latest version): items in the order of their last write, behind a number that the etag carries. */
import { badRequest, notImplemented } from '../cosmos-error.ts';
import type { SqlValue } from '../database-file.ts';
import { feedCharge, SMALL_RU } from '../items/request-charge.ts';
import type { Operation } from './classify.ts';
import type { Answer, Engine } from './engine.ts';
import type { CosmosRequest } from './message.ts';
import { coverage, pageRows } from './query-operations.ts';

/** Bytes of a page (service limit: 4 MB). */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** A page of the feed; 304 when nothing was written since. */
export function operateOnChangeFeed(engine: Engine, operation: Operation, request: CosmosRequest): Answer {
  const container = engine.account.container(operation.database ?? '', operation.container ?? '');
  const { headers } = request;
  if (headers['a-im']?.toLowerCase() !== 'incremental feed')
    throw notImplemented(`The change feed mode '${headers['a-im']}' (all but the one of latest versions)`);
  const covered = coverage(engine, container, headers);
  const conditions = [...covered.conditions, '(expires IS NULL OR expires > ?)'];
  const values: SqlValue[] = [...covered.values, Math.floor(engine.now() / 1000)];
  const ifNoneMatch = headers['if-none-match'];
  const since = headers['if-modified-since'];
  if (ifNoneMatch === '*') return unchanged(container.lsn);
  if (ifNoneMatch !== undefined) {
    conditions.push('lsn > ?');
    values.push(readPosition(ifNoneMatch));
  } else if (since !== undefined) {
    const sinceMs = Date.parse(since);
    if (Number.isNaN(sinceMs)) throw badRequest(`The header If-Modified-Since '${since}' is no date.`);
    conditions.push('ts >= ?');
    values.push(Math.floor(sinceMs / 1000));
  }
  const rows: string[] = [];
  let bytes = 0;
  let last = 0;
  let complete = true;
  const maxRows = pageRows(headers);
  for (const item of container.items.scan(conditions.join(' AND '), 'lsn', values)) {
    const text = container.textOf(item, { _lsn: item.lsn });
    if (rows.length >= maxRows || (rows.length > 0 && bytes + text.length > PAGE_BYTES_MAX)) {
      complete = false;
      break;
    }
    rows.push(text);
    bytes += text.length;
    last = item.lsn;
  }
  // A complete page covers every write so far, also those that this reader does not see.
  const position = complete ? container.lsn : last;
  if (rows.length === 0) return unchanged(position);
  return {
    status: 200,
    body: `{"_rid":"${container.rid}","Documents":[${rows.join(',')}],"_count":${rows.length}}`,
    headers: { etag: writePosition(position), 'x-ms-item-count': String(rows.length) },
    charge: feedCharge(rows.length, bytes),
    container,
  };

  function unchanged(lsn: number): Answer {
    return { status: 304, headers: { etag: writePosition(lsn), 'x-ms-item-count': '0' }, charge: SMALL_RU, container };
  }
}

function writePosition(lsn: number): string {
  return `"${lsn}"`;
}

function readPosition(etag: string): number {
  const lsn = Number(/^"?(\d+)"?$/.exec(etag)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(lsn)) throw badRequest(`The continuation ${etag} of the change feed cannot be read.`);
  return lsn;
}
