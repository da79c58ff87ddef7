/** Refusals as AMQP carries them: a condition (a symbol the clients act upon) and a sentence for people. */

/** What a detach or a rejected delivery carries. */
export interface AmqpFailure {
  readonly condition: string;
  readonly description: string;
}

/** The failure as rhea encodes it, with all three fields: Python's stack takes the third for granted. */
export const amqpError = ({ condition, description }: AmqpFailure) => ({ condition, description, info: {} });

/** Thrown by whatever refuses a link, a send or a request; the connection, or the HTTP door, answers with it. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly condition: string;
  constructor(condition: string, description: string, cause?: unknown) {
    super(description, { cause });
    this.condition = condition;
  }
  get failure(): AmqpFailure {
    return { condition: this.condition, description: this.message };
  }
}

export const NOT_FOUND = 'amqp:not-found';
export const UNAUTHORIZED = 'amqp:unauthorized-access';
export const NOT_IMPLEMENTED = 'amqp:not-implemented';
export const NOT_ALLOWED = 'amqp:not-allowed';
export const INTERNAL_ERROR = 'amqp:internal-error';
export const DECODE_ERROR = 'amqp:decode-error';
export const MESSAGE_SIZE_EXCEEDED = 'amqp:link:message-size-exceeded';
export const RESOURCE_LIMIT_EXCEEDED = 'amqp:resource-limit-exceeded';
export const STOLEN = 'amqp:link:stolen';
export const DETACH_FORCED = 'amqp:link:detach-forced';
export const SERVER_BUSY = 'com.microsoft:server-busy';
export const ARGUMENT_ERROR = 'com.microsoft:argument-error';
export const OUT_OF_RANGE = 'com.microsoft:argument-out-of-range';
