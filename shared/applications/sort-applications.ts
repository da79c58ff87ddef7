/** The orders of the list: by any of its columns, either way, exact over pages whatever is equal. Pure. */
import { z } from 'zod';

/** Columns that the list can be ordered by. */
const COLUMNS = ['name', 'createdAt', 'status', 'expiresAt', 'lastUsedAt'] as const;
type Column = (typeof COLUMNS)[number];

/** An order: a column, downwards with a minus before it. */
export const applicationSort = z
  .enum(
    COLUMNS.flatMap((column) => [column, `-${column}` as const]),
    `must be one of ${COLUMNS.join(', ')}, with - before it for the other way round`,
  )
  .default('-createdAt');
export type ApplicationSort = z.output<typeof applicationSort>;

/** What of an application its place in the list depends on. */
export interface Listed {
  id: string;
  applicationId: string;
  name: string;
  enabled: boolean;
  expiresAt: string;
  lastUsedAt?: string;
}

/** A place in the list: what the column holds, and the id, because columns may be equal. */
export type Place = readonly [value: string, applicationId: string];

/** The place of an application. Who was never used comes before everyone who was. */
export function placeOf(sort: ApplicationSort, application: Listed): Place {
  return [valueOf(columnOf(sort), application), application.applicationId];
}

/** The applications that come after a place, in order. */
export function inOrder<T extends Listed>(applications: readonly T[], sort: ApplicationSort, after?: Place): T[] {
  const way = sort.startsWith('-') ? -1 : 1;
  const compare = (one: Place, other: Place) => way * (compareText(one[0], other[0]) || compareText(one[1], other[1]));
  return applications
    .filter((application) => after === undefined || compare(placeOf(sort, application), after) > 0)
    .toSorted((one, other) => compare(placeOf(sort, one), placeOf(sort, other)));
}

function columnOf(sort: ApplicationSort): Column {
  return sort.replace('-', '') as Column;
}

function valueOf(column: Column, { name, enabled, expiresAt, applicationId, lastUsedAt = '' }: Listed): string {
  switch (column) {
    case 'name':
      // As a person looks for it: without regard to case and accents.
      return name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
    case 'status':
      return enabled ? 'enabled' : 'disabled';
    case 'expiresAt':
      return expiresAt;
    case 'lastUsedAt':
      return lastUsedAt;
    case 'createdAt':
      // It sorts by the time of creation.
      return applicationId;
  }
}

/** By code units, so that every instance agrees whatever its locale. */
function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
