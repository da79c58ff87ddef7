/** Query plan requests: the SDK sends one with every query, and uses the answer when the query itself cannot be served. */
import { SMALL_RU } from '../items/request-charge.ts';
import { checkOrderBy } from '../sql/order-by-index.ts';
import { parseQuery } from '../sql/parse.ts';
import { planQuery } from '../sql/query-plan.ts';
import type { Operation } from './classify.ts';
import type { Answer, Engine } from './engine.ts';
import type { CosmosRequest } from './message.ts';
import { readQuerySpec } from './query-operations.ts';

/** The plan of a query over several partitions. */
export function operateOnQueryPlan({ account }: Engine, operation: Operation, request: CosmosRequest): Answer {
  const container = account.container(operation.database ?? '', operation.container ?? '');
  const { text, parameters } = readQuerySpec(request);
  const query = parseQuery(text);
  checkOrderBy(query, container.policy);
  return { status: 200, body: JSON.stringify(planQuery(query, parameters)), charge: SMALL_RU, container };
}
