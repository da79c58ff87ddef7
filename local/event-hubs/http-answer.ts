/** How the HTTP door reads bodies and answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request that is answered with a status and a sentence. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

const XML_ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escapeXml = (text: string): string => text.replace(/[&<>]/g, (sign) => XML_ESCAPES[sign] ?? sign);

/** Answers with the error document of the service. */
export function refuse(
  response: ServerResponse,
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/xml; charset=utf-8' });
  response.end(`<Error><Code>${status}</Code><Detail>${escapeXml(detail)}</Detail></Error>`);
}

/** Answers with JSON. */
export function respondJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

/**
 * The body of a request. One that is too large is read to its end and thrown away before it is refused: a client that
 * is still writing would see a broken connection instead of the answer.
 * @throws HttpRefusal 413
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (bytes > bytesMax) throw new HttpRefusal(413, `The body exceeds the limit of ${bytesMax} bytes.`);
  return Buffer.concat(chunks);
}
