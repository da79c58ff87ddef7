/** Operations on databases, containers, offers and partition key ranges. */
import { completeDefinition, checkResourceId } from '../containers/container-definition.ts';
import { describeRange } from '../containers/partition-ranges.ts';
import type { Offer } from '../containers/account.ts';
import { badRequest, CosmosError, notFound } from '../cosmos-error.ts';
import { parseJson } from '../items/item-document.ts';
import { SMALL_RU } from '../items/request-charge.ts';
import { isJsonObject, property, type JsonObject, type Value } from '../json-value.ts';
import type { Operation } from './classify.ts';
import type { Answer, Engine } from './engine.ts';
import { isTrue, type CosmosRequest } from './message.ts';
import { queryDefinitions } from './query-operations.ts';

/** RU/s of an offer (service limits of manual and autoscale throughput). */
const THROUGHPUT_MIN = 400;
const THROUGHPUT_MAX = 1_000_000;
const AUTOSCALE_MIN = 1000;

/** The account as a client sees it; the one location is the address that the client used. */
export function readAccount(_: Engine, request: CosmosRequest): Answer {
  const location = { name: 'Local', databaseAccountEndpoint: `http://${request.headers['host'] ?? '127.0.0.1'}/` };
  return json(200, {
    _self: '',
    id: 'sluice-local',
    _rid: 'sluice-local',
    media: '//media/',
    addresses: '//addresses/',
    _dbs: '//dbs/',
    writableLocations: [location],
    readableLocations: [location],
    enableMultipleWriteLocations: false,
    userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 1 },
    userConsistencyPolicy: { defaultConsistencyLevel: 'Session' },
    systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 1 },
    readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
    queryEngineConfiguration: JSON.stringify({ maxSqlQueryInputLength: 524288, maxJoinsPerSqlQuery: 10 }),
  });
}

/** Create, query, list, read, delete. */
export function operateOnDatabases(engine: Engine, { database: id }: Operation, request: CosmosRequest): Answer {
  const { account } = engine;
  const list = () => [...account.databases.values()].map((database) => account.describeDatabase(database));
  if (id !== undefined)
    switch (request.method) {
      case 'GET':
        return json(200, account.describeDatabase(account.database(id, 'itself')));
      case 'DELETE':
        account.deleteDatabase(id);
        return { status: 204, charge: SMALL_RU };
      default:
        throw methodNotAllowed(request);
    }
  if (request.method === 'GET') return feed('Databases', list());
  if (request.method !== 'POST') throw methodNotAllowed(request);
  if (isQuery(request)) return feed('Databases', queryDefinitions(engine, request, list()));
  const body = objectBody(request, 'a database');
  const name = checkResourceId(body['id'], 'database');
  const created = account.createDatabase(name, seconds(engine), throughputOf(request));
  return json(201, account.describeDatabase(created));
}

/** Create, query, list, read, replace, delete. */
export function operateOnContainers(
  engine: Engine,
  { database = '', container: id }: Operation,
  request: CosmosRequest,
): Answer {
  const { account } = engine;
  const list = () =>
    [...account.database(database).containers.values()].map((container) => account.describeContainer(container));
  if (id !== undefined) return operateOnContainer(engine, database, id, request);
  if (request.method === 'GET') return feed('DocumentCollections', list());
  if (request.method !== 'POST') throw methodNotAllowed(request);
  if (isQuery(request)) return feed('DocumentCollections', queryDefinitions(engine, request, list()));
  const definition = completeDefinition(objectBody(request, 'a container'));
  const created = account.createContainer(database, definition, seconds(engine), throughputOf(request));
  return { ...json(201, account.describeContainer(created)), container: created };
}

function operateOnContainer(engine: Engine, database: string, id: string, request: CosmosRequest): Answer {
  const { account } = engine;
  const container = account.container(database, id);
  switch (request.method) {
    case 'GET': {
      const answer = { ...json(200, account.describeContainer(container)), container };
      if (!isTrue(request.headers['x-ms-documentdb-populatequotainfo'])) return answer;
      const usage = `documentsSize=${Math.ceil(container.items.figure('sum(length(body))') / 1024)};documentsCount=${container.items.figure('count(*)')};`;
      return {
        ...answer,
        headers: { 'x-ms-resource-usage': usage, 'x-ms-resource-quota': 'documentsSize=20971520;documentsCount=-1;' },
      };
    }
    case 'PUT': {
      const definition = completeDefinition(objectBody(request, 'a container'));
      const replaced = account.replaceContainer(container, definition, seconds(engine));
      return { ...json(200, account.describeContainer(replaced)), container: replaced };
    }
    case 'DELETE':
      account.deleteContainer(database, id);
      return { status: 204, charge: SMALL_RU };
    default:
      throw methodNotAllowed(request);
  }
}

/** The simulated physical partitions; they never change. */
export function readPartitionRanges(
  { account, ranges }: Engine,
  { database = '', container: id = '' }: Operation,
  request: CosmosRequest,
): Answer {
  const container = account.container(database, id);
  const etag = '"0"';
  if (request.headers['if-none-match'] === etag) return { status: 304, headers: { etag }, charge: SMALL_RU };
  const answer = feed(
    'PartitionKeyRanges',
    ranges.map((range) => describeRange(range, container.self, container.rid)),
    container.rid,
  );
  return { ...answer, headers: { ...answer.headers, etag } };
}

/** List, query, read, replace. */
export function operateOnOffers(engine: Engine, { item: rid }: Operation, request: CosmosRequest): Answer {
  const { account } = engine;
  if (rid === undefined) {
    const offers = account.offers().map(describeOffer);
    if (request.method === 'GET') return feed('Offers', offers);
    if (request.method === 'POST' && isQuery(request)) return feed('Offers', queryDefinitions(engine, request, offers));
    throw methodNotAllowed(request);
  }
  const offer = account.offers().find(({ number }) => offerRid(number).toLowerCase() === rid.toLowerCase());
  if (!offer) throw notFound(`the offer '${rid}'`);
  if (request.method === 'GET') return json(200, describeOffer(offer));
  if (request.method !== 'PUT') throw methodNotAllowed(request);
  const content = property(objectBody(request, 'an offer'), 'content');
  const replaced = checkOffer(
    property(content, 'offerThroughput'),
    property(property(content, 'offerAutopilotSettings'), 'maxThroughput'),
  );
  account.replaceOffer(offer.number, replaced);
  return json(200, describeOffer({ ...offer, content: replaced }));
}

/** The throughput that a create request provisions; undefined when it does not say. */
function throughputOf({ headers }: CosmosRequest): JsonObject | undefined {
  const manual = headers['x-ms-offer-throughput'];
  const autoscale = headers['x-ms-cosmos-offer-autopilot-settings'];
  if (manual === undefined && autoscale === undefined) return undefined;
  const settings =
    autoscale === undefined ? undefined : parseJson(autoscale, 'the header x-ms-cosmos-offer-autopilot-settings');
  return checkOffer(manual === undefined ? undefined : Number(manual), property(settings, 'maxThroughput'));
}

function checkOffer(manual: Value, autoscale: Value): JsonObject {
  const value = autoscale ?? manual;
  const min = autoscale === undefined ? THROUGHPUT_MIN : AUTOSCALE_MIN;
  const step = autoscale === undefined ? 100 : 1000;
  if (typeof value !== 'number' || value < min || value > THROUGHPUT_MAX || value % step !== 0)
    throw badRequest(
      `The throughput ${JSON.stringify(value ?? null)} must be a multiple of ${step} from ${min} to ${THROUGHPUT_MAX}.`,
    );
  return autoscale === undefined
    ? { offerThroughput: value }
    : { offerThroughput: value / 10, offerAutopilotSettings: { maxThroughput: value } };
}

function describeOffer({ number, resource, resourceRid, content }: Offer): JsonObject {
  const rid = offerRid(number);
  return {
    id: rid,
    _rid: rid,
    _self: `offers/${rid}/`,
    _etag: '"0000"',
    _ts: 0,
    offerVersion: 'V2',
    resource,
    offerResourceId: resourceRid,
    content,
  };
}

function offerRid(number: number): string {
  return `of${number.toString().padStart(2, '0')}`;
}

export function isQuery({ headers }: CosmosRequest): boolean {
  return (
    isTrue(headers['x-ms-documentdb-isquery']) ||
    (headers['content-type']?.startsWith('application/query+json') ?? false)
  );
}

export function objectBody({ body }: CosmosRequest, what: string): JsonObject {
  const value = parseJson(body, what);
  if (!isJsonObject(value)) throw badRequest(`The body of ${what} must be a JSON object.`);
  return value;
}

export function json(status: number, resource: JsonObject): Answer {
  return {
    status,
    body: JSON.stringify(resource),
    headers: typeof resource['_etag'] === 'string' ? { etag: resource['_etag'] } : {},
    charge: SMALL_RU,
  };
}

export function feed(name: string, resources: JsonObject[], rid = ''): Answer {
  return {
    status: 200,
    body: JSON.stringify({ _rid: rid, [name]: resources, _count: resources.length }),
    headers: { 'x-ms-item-count': String(resources.length) },
    charge: SMALL_RU,
  };
}

export function seconds({ now }: Engine): number {
  return Math.floor(now() / 1000);
}

export function methodNotAllowed({ method, path }: CosmosRequest): CosmosError {
  return new CosmosError(405, `The method ${method} is not allowed for ${path}.`);
}
