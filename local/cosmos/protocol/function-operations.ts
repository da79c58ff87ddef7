/** Operations on the user-defined functions of a container: create, query, list, read, replace, delete. */
import { checkResourceId } from '../containers/container-definition.ts';
import { badRequest } from '../cosmos-error.ts';
import { SMALL_RU } from '../items/request-charge.ts';
import type { Operation } from './classify.ts';
import { feed, isQuery, json, methodNotAllowed, objectBody, seconds } from './definition-operations.ts';
import type { Answer, Engine } from './engine.ts';
import type { CosmosRequest } from './message.ts';
import { queryDefinitions } from './query-operations.ts';

const WHAT = 'a user-defined function';

/** See the top of the file. */
export function operateOnFunctions(
  engine: Engine,
  { database = '', container: containerId = '', item: id }: Operation,
  request: CosmosRequest,
): Answer {
  const { functions } = engine.account.container(database, containerId);
  if (id === undefined) {
    if (request.method === 'GET') return feed('UserDefinedFunctions', functions.list());
    if (request.method !== 'POST') throw methodNotAllowed(request);
    if (isQuery(request)) return feed('UserDefinedFunctions', queryDefinitions(engine, request, functions.list()));
    const { id: name, body } = objectBody(request, WHAT);
    return json(201, functions.create(checkResourceId(name, 'user-defined function'), body, seconds(engine)));
  }
  switch (request.method) {
    case 'GET':
      return json(200, functions.read(id));
    case 'PUT': {
      const { id: name, body } = objectBody(request, WHAT);
      if (name !== id) throw badRequest('The id of a user-defined function cannot be changed.');
      return json(200, functions.replace(id, body, seconds(engine)));
    }
    case 'DELETE':
      functions.delete(id);
      return { status: 204, charge: SMALL_RU };
    default:
      throw methodNotAllowed(request);
  }
}
