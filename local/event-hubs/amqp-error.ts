/** Errors as AMQP carries them, and the ones every node of the stand-in may answer with. */

/** A condition (a symbol the clients act upon) and a sentence for people. */
export interface AmqpFailure {
  readonly condition: string;
  readonly description: string;
}

export const notFound = (description: string): AmqpFailure => ({ condition: 'amqp:not-found', description });
export const unauthorized = (description: string): AmqpFailure => ({
  condition: 'amqp:unauthorized-access',
  description,
});
export const notImplemented = (description: string): AmqpFailure => ({
  condition: 'amqp:not-implemented',
  description,
});
export const outOfRange = (description: string): AmqpFailure => ({
  condition: 'com.microsoft:argument-out-of-range',
  description,
});
