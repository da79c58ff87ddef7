/**
 * Lists documents by a time, the newest first, with exact paging. Many documents may carry the same time, and ordering
 * by two properties would need a composite index, so a time that straddles a page is read by its own, ordered by id.
 */
import type { Document, ContainerName, Stored, Store } from '../store/store.ts';

/** What to list. */
export interface NewestFirst<Time extends string> {
  container: ContainerName;
  /** Conditions on `c`, joined by AND, and their parameters. */
  conditions: readonly string[];
  parameters: readonly { name: string; value: string }[];
  /** The property that holds the time, as ISO 8601. */
  time: Time;
  /** The last entry of the page before. */
  after?: { time: string; id: string } | undefined;
  limit: number;
  partitionKey?: string | undefined;
}

/** Reads up to `limit` documents. */
export async function newestFirst<Time extends string, T extends Document & Record<Time, string>>(
  store: Store,
  list: NewestFirst<Time>,
): Promise<Stored<T>[]> {
  const { after, limit } = list;
  const timeOf = (item: Stored<T>) => item[list.time];
  const sameTime = after ? await ofOneTime<T>(store, list, after.time, after.id, limit) : [];
  if (sameTime.length >= limit) return sameTime;
  const missing = limit - sameTime.length;
  const older = await byTime<T>(store, list, after?.time, missing);
  const last = older.at(-1);
  if (older.length < missing || last === undefined) return [...sameTime, ...older];
  // The last time may go on beyond this page: take its documents in the order of their ids.
  const whole = older.filter((item) => timeOf(item) !== timeOf(last));
  const rest = await ofOneTime<T>(store, list, timeOf(last), undefined, missing - whole.length);
  return [...sameTime, ...whole, ...rest];
}

function byTime<T extends object>(store: Store, list: NewestFirst<string>, before: string | undefined, limit: number) {
  const conditions = before === undefined ? list.conditions : [...list.conditions, `c.${list.time} < @before`];
  const parameters = before === undefined ? list.parameters : [...list.parameters, { name: '@before', value: before }];
  const query = `SELECT * FROM c WHERE ${conditions.join(' AND ')} ORDER BY c.${list.time} DESC OFFSET 0 LIMIT ${limit}`;
  return store.all<T>(list.container, { query, parameters: [...parameters] }, list.partitionKey);
}

function ofOneTime<T extends object>(
  store: Store,
  list: NewestFirst<string>,
  time: string,
  afterId: string | undefined,
  limit: number,
) {
  const after = afterId === undefined ? '' : ' AND c.id > @afterId';
  const conditions = [...list.conditions, `c.${list.time} = @time${after}`].join(' AND ');
  const query = `SELECT * FROM c WHERE ${conditions} ORDER BY c.id ASC OFFSET 0 LIMIT ${limit}`;
  const parameters = [
    ...list.parameters,
    { name: '@time', value: time },
    ...(afterId === undefined ? [] : [{ name: '@afterId', value: afterId }]),
  ];
  return store.all<T>(list.container, { query, parameters }, list.partitionKey);
}
