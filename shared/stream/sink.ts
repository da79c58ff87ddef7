/** Where a stream writes to. */
import type { SharedBytes } from './shared-bytes.ts';

/** The way out to one reader. After the reader left, nothing has an effect. */
export interface Sink {
  write(data: SharedBytes | string): void;
  /** Bytes accepted that the reader has not taken. */
  readonly pending: number;
  /** Resolves when more may be written, or the reader left. */
  drained(): Promise<void>;
  /** Ends the response; what is pending still goes out, for `graceMs` at most. */
  end(graceMs: number): void;
  /** True when the reader left, or the response ended. */
  readonly closed: boolean;
  /** Calls once when the reader leaves, or has left. */
  onClosed(run: () => void): void;
}
