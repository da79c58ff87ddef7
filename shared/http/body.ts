/** Reads request bodies: bounded while reading, strict about type, encoding and shape. */
import type { HttpRequest } from '@azure/functions';
import type { z } from 'zod';
import { parseJson } from './json-text.ts';
import { Problem } from './problem.ts';
import { parseInput } from './validate.ts';

/** Bytes of a request body unless an endpoint says otherwise. */
export const BODY_BYTES_MAX = 64 * 1024;

/** Reads and checks the body of a request, or throws the Problem that refuses it. */
export interface BodyReader<Body> {
  (request: HttpRequest): Promise<Body>;
  /** What it takes, for the API's description. A form has no schema of its own. */
  takes: { contentType: string; required: boolean; schema?: z.ZodType };
}

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** A JSON body of the given shape: 415 for another type, 413 above `maxBytes`, 400 for malformed text or a broken rule. */
export function jsonBody<Schema extends z.ZodType>(
  schema: Schema,
  maxBytes = BODY_BYTES_MAX,
): BodyReader<z.output<Schema>> {
  const read = async (request: HttpRequest) => {
    expectType(request, [JSON_TYPE, 'application/merge-patch+json']);
    const text = await readText(request, maxBytes);
    if (text.trim() === '') throw new Problem('malformed-json', 400, 'The body is empty: send a JSON object.');
    return parseInput(schema, parseJson(text), 'body');
  };
  return Object.assign(read, { takes: { contentType: JSON_TYPE, required: true, schema } });
}

/** Like jsonBody, for bodies that may be left out: then `schema` is applied to an empty object. */
export function optionalJsonBody<Schema extends z.ZodType>(
  schema: Schema,
  maxBytes = BODY_BYTES_MAX,
): BodyReader<z.output<Schema>> {
  const readPresent = jsonBody(schema, maxBytes);
  const read = async (request: HttpRequest) => {
    const length = request.headers.get('content-length');
    const absent = length === '0' || (length === null && request.headers.get('content-type') === null);
    return absent ? parseInput(schema, {}, 'body') : readPresent(request);
  };
  return Object.assign(read, { takes: { contentType: JSON_TYPE, required: false, schema } });
}

/**
 * A form body. The bare `x-www-form-urlencoded` is taken as well, because the documentation of existing clients prints it.
 * @see https://url.spec.whatwg.org/#application/x-www-form-urlencoded
 */
export function formBody(maxBytes = BODY_BYTES_MAX): BodyReader<URLSearchParams> {
  const read = async (request: HttpRequest) => {
    expectType(request, [FORM_TYPE, 'x-www-form-urlencoded']);
    const form = new URLSearchParams();
    for (const [name, value] of parseForm(await readText(request, maxBytes), 'body')) form.append(name, value);
    return form;
  };
  return Object.assign(read, { takes: { contentType: FORM_TYPE, required: true } });
}

/** Like formBody, for requests that may come without a body: then it is undefined. */
export function optionalFormBody(maxBytes = BODY_BYTES_MAX): BodyReader<URLSearchParams | undefined> {
  const readPresent = formBody(maxBytes);
  const read = async (request: HttpRequest) => {
    const length = request.headers.get('content-length');
    const absent = length === '0' || (length === null && request.headers.get('content-type') === null);
    return absent ? undefined : readPresent(request);
  };
  return Object.assign(read, { takes: { contentType: FORM_TYPE, required: false } });
}

/**
 * Splits form-encoded text into pairs, strictly: URLSearchParams would replace malformed bytes silently.
 * @throws Problem 400 naming the field whose percent-encoding or UTF-8 is malformed
 */
export function parseForm(text: string, where: 'body' | 'query'): [string, string][] {
  return text
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const split = part.indexOf('=');
      const name = split < 0 ? part : part.slice(0, split);
      try {
        return [decodeFormPart(name), split < 0 ? '' : decodeFormPart(part.slice(split + 1))];
      } catch (error) {
        const field = name.slice(0, 40).replaceAll(/[^\w.-]/g, '?');
        throw new Problem(`malformed-${where}`, 400, `The ${where} field "${field}" is not percent-encoded UTF-8.`, {
          cause: error,
        });
      }
    });
}

function decodeFormPart(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function expectType(request: HttpRequest, accepted: string[]): void {
  const header = request.headers.get('content-type') ?? '';
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const [expected = ''] = accepted;
  if (!accepted.includes(type)) {
    const got = type === '' ? 'none was sent' : `got "${type.slice(0, 80)}"`;
    throw new Problem('unsupported-media-type', 415, `Send the body as ${expected}; ${got}.`, {
      headers: { accept: expected },
    });
  }
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) {
    throw new Problem('unsupported-media-type', 415, 'Send the body in UTF-8; no other charset is read.');
  }
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported-media-type', 415, 'Send the body without a content encoding.');
  }
}

async function readText(request: HttpRequest, maxBytes: number): Promise<string> {
  const tooLarge = () => new Problem('body-too-large', 413, `The body may have at most ${maxBytes} bytes.`);
  // The platform answers oversized bodies with 500 in places, so the announced length is checked here.
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body) {
    // Read to its end even when it is too large, and then not kept: to leave the loop would destroy the connection of the
    // platform's forwarder, together with this answer or the next request on it. The platform ends it at 100 MB.
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size <= maxBytes) chunks.push(chunk);
    }
  }
  if (size > maxBytes) throw tooLarge();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new Problem('malformed-utf8', 400, 'The body is not valid UTF-8.', { cause: error });
  }
}
