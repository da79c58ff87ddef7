/**
 * The terminal of `npm start`: lines that stay, and below them one line that is refreshed in place. Where the output is no
 * terminal there are plain lines only.
 */

/** Moves to the start of the line and empties it. */
const CLEAR_LINE = '\r\u001b[2K';
const COLUMNS_UNKNOWN = 120;

/** See the top of the file. */
export class Terminal {
  readonly #output: NodeJS.WriteStream;
  readonly #errors: NodeJS.WriteStream;
  #status = '';

  constructor(output: NodeJS.WriteStream, errors: NodeJS.WriteStream) {
    this.#output = output;
    this.#errors = errors;
  }

  /** True where a line can be refreshed in place. */
  get refreshes(): boolean {
    return this.#output.isTTY;
  }

  /** Prints text for good. */
  print(text: string): void {
    this.#above(() => this.#output.write(`${text}\n`));
  }

  /** Prints a line about trouble for good, apart from what the system was asked to print. */
  complain(text: string): void {
    this.#above(() => this.#errors.write(`${text}\n`));
  }

  /** Shows a line until the next one; empty for none. Without a terminal nothing happens. */
  status(text: string): void {
    if (!this.refreshes || text === this.#status) return;
    this.#status = text;
    this.#draw();
  }

  #above(write: () => void): void {
    if (this.#status !== '') this.#output.write(CLEAR_LINE);
    write();
    if (this.#status !== '') this.#draw();
  }

  #draw(): void {
    // A line that wraps could not be emptied again.
    this.#output.write(`${CLEAR_LINE}${this.#status.slice(0, (this.#output.columns ?? COLUMNS_UNKNOWN) - 1)}`);
  }
}
