/** An answer that refuses a request, in the shape of the service: `{ code, message, target }`. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly target: string | undefined;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    message: string,
    { target, headers = {} }: { target?: string; headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.name = 'ServiceError';
    this.status = status;
    this.code = code;
    this.target = target;
    this.headers = headers;
  }
}

/** 400 for one bad input, naming it. */
export function badRequest(target: string, message: string): ServiceError {
  return new ServiceError(400, 'BadRequest', message, { target });
}

/** 501 for what the service can do and this stand-in cannot, naming the operation. */
export function notImplemented(operation: string): ServiceError {
  return new ServiceError(501, 'NotImplemented', `${operation} is not implemented by this local Web PubSub.`, {
    target: operation,
  });
}
