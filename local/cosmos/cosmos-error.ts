/** A refusal as the service words it: a status, sometimes a sub-status, and a message that says what to do. */

/** The service's name for a status, the `code` of an error body. */
const STATUS_NAMES: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'RequestTimeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'PreconditionFailed',
  413: 'RequestEntityTooLarge',
  424: 'FailedDependency',
  429: 'TooManyRequests',
  449: 'RetryWith',
  500: 'InternalServerError',
  503: 'ServiceUnavailable',
};

/** Sub-statuses that the SDK or a caller tells apart. */
export const SUB_STATUS = {
  partitionKeyMismatch: 1001,
  crossPartitionQueryNotServable: 1004,
  partitionKeyRangeGone: 1002,
  ownerNotFound: 1003,
  containerReplaced: 1024,
  requestRateTooLarge: 3200,
} as const;

/** What an error may carry besides status and message. */
export interface CosmosErrorDetails {
  subStatus?: number;
  headers?: Record<string, string>;
  /** Goes into the body as `additionalErrorInfo`: the query plan, which makes a client merge for itself. */
  additionalErrorInfo?: string;
}

/** Thrown by any operation; the gateway turns it into the answer. */
export class CosmosError extends Error {
  override readonly name = 'CosmosError';
  readonly status: number;
  readonly details: CosmosErrorDetails;

  constructor(status: number, message: string, details: CosmosErrorDetails = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }

  /** The JSON body of the answer. */
  body(activityId: string): string {
    return JSON.stringify({
      code: STATUS_NAMES[this.status] ?? String(this.status),
      message: `${this.message}\r\nActivityId: ${activityId}`,
      ...(this.details.additionalErrorInfo === undefined
        ? {}
        : { additionalErrorInfo: this.details.additionalErrorInfo }),
    });
  }
}

/** 400 with a message. */
export function badRequest(message: string, subStatus?: number): CosmosError {
  return new CosmosError(400, message, subStatus === undefined ? {} : { subStatus });
}

/** 400 for a construct, operation or header that the service has and this stand-in has not. */
export function notImplemented(what: string): CosmosError {
  return badRequest(`${what} is not implemented by the local Cosmos DB.`);
}

/** 404 for a named resource. */
export function notFound(what: string): CosmosError {
  return new CosmosError(404, `Resource Not Found: ${what} does not exist.`);
}

/** 404 for the database or container that a request wants something of. */
export function ownerNotFound(what: string): CosmosError {
  return new CosmosError(404, `Owner resource does not exist: ${what}.`, { subStatus: SUB_STATUS.ownerNotFound });
}
