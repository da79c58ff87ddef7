/** A message on its way to clients: serialised once, however many receive it. */

/** Where a message comes from, as its receivers see it. */
export type Origin = { from: 'server' } | { from: 'group'; group: string; fromUserId?: string | undefined };

/** The content in the three forms the service knows. JSON keeps the sender's own text, so that no number changes. */
export type Content =
  | { dataType: 'json'; text: string }
  | { dataType: 'text'; text: string }
  | { dataType: 'binary'; bytes: Buffer };

/** Metadata of the sender (`X-WebPubSub-Metadata-*`), which JSON clients receive. */
export type Metadata = Record<string, string>;

/** A message to deliver. */
export class Message {
  readonly content: Content;
  /** Epoch milliseconds after which nobody needs it any more. */
  readonly expiresAt: number;
  readonly #origin: Origin;
  readonly #metadata: Metadata | undefined;
  #envelope: string | undefined;

  constructor(content: Content, origin: Origin, options: { expiresAt?: number; metadata?: Metadata | undefined } = {}) {
    this.content = content;
    this.expiresAt = options.expiresAt ?? Infinity;
    this.#origin = origin;
    this.#metadata = options.metadata;
  }

  /** The frame for a client of a JSON subprotocol. */
  toJson(sequenceId?: number): string {
    this.#envelope ??= this.#toEnvelope();
    return sequenceId === undefined ? `{${this.#envelope}` : `{"sequenceId":${sequenceId},${this.#envelope}`;
  }

  /** The frame for a client without a subprotocol: the content alone. */
  toRaw(): string | Buffer {
    return this.content.dataType === 'binary' ? this.content.bytes : this.content.text;
  }

  #toEnvelope(): string {
    const origin = JSON.stringify({ type: 'message', ...this.#origin }).slice(1, -1);
    const metadata = this.#metadata === undefined ? '' : `"metadata":${JSON.stringify(this.#metadata)},`;
    return `${origin},${metadata}"dataType":"${this.content.dataType}","data":${dataOf(this.content)}}`;
  }
}

function dataOf(content: Content): string {
  switch (content.dataType) {
    case 'json':
      return content.text;
    case 'text':
      return JSON.stringify(content.text);
    case 'binary':
      return JSON.stringify(content.bytes.toString('base64'));
  }
}
