/**
 * One write for many streams. It is encoded once, and lies in memory once: framed as a chunk of HTTP/1.1, so that it can go
 * to a socket as it is, and within that without the frame.
 */

const CRLF = '\r\n';

/** See the top of the file. Nobody changes it: sockets hold it until their readers have taken it. */
export class SharedBytes {
  /** A chunk (RFC 9112 section 7.1). */
  readonly chunk: Buffer;
  /** What is in the chunk. */
  readonly bytes: Buffer;

  /** @param text not empty: an empty chunk would be the last one of a body */
  constructor(text: string) {
    const size = Buffer.byteLength(text);
    const head = size.toString(16) + CRLF;
    this.chunk = Buffer.allocUnsafe(head.length + size + CRLF.length);
    this.chunk.write(head, 0, 'latin1');
    this.chunk.write(text, head.length, 'utf8');
    this.chunk.write(CRLF, head.length + size, 'latin1');
    this.bytes = this.chunk.subarray(head.length, head.length + size);
  }
}
