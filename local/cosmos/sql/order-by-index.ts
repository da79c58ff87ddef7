/** What ORDER BY needs of the index, as in production: an indexed path, or a composite index for several. */
import { badRequest } from '../cosmos-error.ts';
import type { IndexingPolicy } from '../containers/indexing-policy.ts';
import { documentPath, rootAlias } from './document-path.ts';
import type { Query } from './syntax.ts';

/** @throws 400 when the policy does not allow this ORDER BY */
export function checkOrderBy(query: Query, policy: IndexingPolicy): void {
  const root = rootAlias(query);
  const paths = query.orderBy.map(({ expression, descending }) => {
    const segments = documentPath(expression, root);
    if (segments === undefined || segments.length === 0)
      throw badRequest('Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.');
    return { segments, descending };
  });
  const [first, ...others] = paths;
  if (first === undefined) return;
  if (others.length === 0) {
    if (!policy.isIndexed(first.segments))
      throw badRequest(
        `The index path corresponding to the specified order-by item is excluded: /${first.segments.join('/')}. Include it in the container's indexingPolicy.`,
      );
    return;
  }
  const matches = policy.composites.some(
    (composite) =>
      composite.length === paths.length &&
      composite.every(({ path }, index) => path.replace(/\/\?$/, '') === `/${paths[index]?.segments.join('/')}`) &&
      // The same directions, or all of them turned round.
      new Set(composite.map(({ order }, index) => (order === 'descending') === paths[index]?.descending)).size === 1,
  );
  if (!matches)
    throw badRequest('The order by query does not have a corresponding composite index that it can be served from.');
}
