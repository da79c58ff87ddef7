/**
 * The way out to a stream's reader on Azure Functions. The library sends a body without looking whether it is taken, and
 * never says that the caller left. But its server lives in our process, so Node's diagnostics channel shows us the
 * response itself: writes go there directly, which gives back-pressure and tells at once when the reader is gone.
 * Where that does not work, because a library update changed it, the body is handed over chunk by chunk as usual.
 */
import diagnostics from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SharedBytes } from './shared-bytes.ts';
import type { Sink } from './sink.ts';

/** Bytes that the body keeps, where the response is not at hand, before it asks for patience. */
const QUEUE_BYTES = 64 * 1024;
/** Responses of the library's server by invocation id, while they are open. */
const responses = new Map<string, ServerResponse>();
let watching = false;

/** Begins to notice responses. Call it before the first request; further calls do nothing. */
export function watchResponses(): void {
  if (watching) return;
  watching = true;
  diagnostics.subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request?: IncomingMessage; response?: ServerResponse };
    const id = request?.headers['x-ms-invocation-id'];
    if (typeof id !== 'string' || response === undefined) return;
    responses.set(id, response);
    response.once('close', () => {
      if (responses.get(id) === response) responses.delete(id);
    });
  });
}

/** The response behind an invocation; undefined where the platform hides it. */
export function responseOf(invocationId: string): ServerResponse | undefined {
  return responses.get(invocationId);
}

/** A body for the library, and the sink that fills it. */
export class ResponseChannel implements Sink {
  readonly #response: ServerResponse | undefined;
  readonly #waiting: (() => void)[] = [];
  readonly #closedListeners: (() => void)[] = [];
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** True once the library has sent the headers: from then on writes go to the response itself. */
  #direct = false;
  #ending = false;
  #closed = false;
  #body: ReadableStream<Uint8Array> | undefined;
  /** The body's controller, while the library waits for a chunk. */
  #asking: ReadableStreamDefaultController<Uint8Array> | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse | undefined) {
    this.#response = response;
    this.#direct = response?.headersSent === true;
    response?.once('close', () => this.#close());
    response?.on('drain', () => this.#wakeWriters());
    if (response?.destroyed === true) this.#close();
  }

  /** What to give to the library. Without it, the headers of the response must have been sent before. */
  get body(): ReadableStream<Uint8Array> {
    this.#body ??= new ReadableStream<Uint8Array>(
      { pull: (controller) => this.#pull(controller), cancel: () => this.#close() },
      { highWaterMark: 0 },
    );
    return this.#body;
  }

  /** True when writes reach the response itself, with back-pressure. */
  get direct(): boolean {
    return this.#direct;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get pending(): number {
    return this.#queuedBytes + (this.#response?.writableLength ?? 0);
  }

  write(data: SharedBytes | string): void {
    if (this.#closed || this.#ending || data === '') return;
    if (this.#direct) {
      if (typeof data === 'string') this.#response?.write(data);
      else this.#writeShared(data);
      return;
    }
    const bytes = typeof data === 'string' ? Buffer.from(data) : data.bytes;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    this.#answer();
  }

  /**
   * A response would frame the bytes anew for each reader, in four writes. The socket takes the chunk as it is: the head of
   * the response is out, so that whatever the response writes itself goes to the socket at once too, in order.
   */
  #writeShared({ chunk, bytes }: SharedBytes): void {
    const response = this.#response;
    const socket = response?.chunkedEncoding === true ? response.socket : null;
    if (socket?.writable === true) socket.write(chunk);
    else response?.write(bytes);
  }

  drained(): Promise<void> {
    const full = this.#direct ? this.#response?.writableNeedDrain === true : this.#queuedBytes > QUEUE_BYTES;
    if (!full || this.#closed || this.#ending) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(graceMs: number): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#answer();
    this.#wakeWriters();
    const response = this.#response;
    // Nobody else ends a response whose body was never asked for.
    if (this.#body === undefined) response?.end();
    // A reader that has stopped reading must not hold a closed stream.
    if (response !== undefined) this.#deadline = setTimeout(() => response.destroy(), graceMs).unref();
  }

  onClosed(run: () => void): void {
    if (this.#closed) run();
    else this.#closedListeners.push(run);
  }

  /** The library asks for the next chunk: nothing is given ahead, so the second time says that the headers are out. */
  #pull(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (!this.#direct && this.#response?.headersSent === true) {
      for (const bytes of this.#takeQueue()) this.#response.write(bytes);
      this.#direct = true;
      this.#wakeWriters();
    }
    this.#asking = controller;
    this.#answer();
  }

  /** Gives the library what is there, where it asks; what comes until it asks again goes together. */
  #answer(): void {
    const controller = this.#asking;
    if (controller === undefined) return;
    const [first, ...rest] = this.#takeQueue();
    if (first !== undefined) {
      this.#asking = undefined;
      controller.enqueue(rest.length === 0 ? first : Buffer.concat([first, ...rest]));
      this.#wakeWriters();
    } else if (this.#ending || this.#closed) {
      this.#asking = undefined;
      controller.close();
      // Without the response there is no other sign that this is over.
      if (this.#response === undefined) this.#close();
    }
  }

  #takeQueue(): Uint8Array[] {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return queue;
  }

  #wakeWriters(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#deadline);
    this.#takeQueue();
    this.#answer();
    this.#wakeWriters();
    for (const run of this.#closedListeners.splice(0)) run();
  }
}
