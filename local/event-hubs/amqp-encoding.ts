/**
 * AMQP 1.0 encodings read at byte level: enough to find where a value ends and to know that what lies between is well
 * formed, without building a JavaScript object of it. Events pass through the hub as bytes.
 * @see OASIS AMQP 1.0 part 1, section 1.2 "Type Encodings"
 */

/** Bytes a producer sent are not AMQP; the message says where and why. */
export class MalformedAmqp extends Error {
  override readonly name = 'MalformedAmqp';
}

const UNKNOWN = 0;
const FIXED = 1;
const VARIABLE = 2;
const COMPOUND = 3;
const ARRAY = 4;

/** How each format code is laid out: its category, and the width in bytes of the value or of its size field. */
const CATEGORY = new Uint8Array(256);
const WIDTH = new Uint8Array(256);

function define(category: number, width: number, codes: readonly number[]): void {
  for (const code of codes) {
    CATEGORY[code] = category;
    WIDTH[code] = width;
  }
}
define(FIXED, 0, [0x40, 0x41, 0x42, 0x43, 0x44, 0x45]);
define(FIXED, 1, [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56]);
define(FIXED, 2, [0x60, 0x61]);
define(FIXED, 4, [0x70, 0x71, 0x72, 0x73, 0x74]);
define(FIXED, 8, [0x80, 0x81, 0x82, 0x83, 0x84]);
define(FIXED, 16, [0x94, 0x98]);
define(VARIABLE, 1, [0xa0, 0xa1, 0xa3]);
define(VARIABLE, 4, [0xb0, 0xb1, 0xb3]);
define(COMPOUND, 1, [0xc0, 0xc1]);
define(COMPOUND, 4, [0xd0, 0xd1]);
define(ARRAY, 1, [0xe0]);
define(ARRAY, 4, [0xf0]);

const MAP8 = 0xc1;
const MAP32 = 0xd1;

/** Nesting a value may have: deeper ones would only serve to exhaust a reader's stack. */
const DEPTH_MAX = 32;
/** Elements an array may have; elements of width zero cost no bytes, so the size alone does not bound them. */
const ARRAY_ELEMENTS_MAX = 65_536;

function within(end: number, limit: number, at: number): number {
  if (end > limit) throw new MalformedAmqp(`the value at byte ${at} runs past the end`);
  return end;
}

function sizeAt(bytes: Buffer, at: number, width: number, limit: number): number {
  within(at + width, limit, at);
  return width === 1 ? bytes.readUInt8(at) : bytes.readUInt32BE(at);
}

/** End of the value of format `code` whose data (without the constructor) starts at `at`. */
function dataEnd(bytes: Buffer, code: number, at: number, limit: number, depth: number): number {
  const width = WIDTH[code] ?? 0;
  switch (CATEGORY[code] ?? UNKNOWN) {
    case FIXED:
      return within(at + width, limit, at);
    case VARIABLE:
      return within(at + width + sizeAt(bytes, at, width, limit), limit, at);
    case COMPOUND: {
      const end = within(at + width + sizeAt(bytes, at, width, limit), limit, at);
      let count = sizeAt(bytes, at + width, width, end);
      if ((code === MAP8 || code === MAP32) && count % 2 !== 0) {
        throw new MalformedAmqp(`the map at byte ${at} has an odd number of elements`);
      }
      let next = at + 2 * width;
      for (; count > 0; count -= 1) next = valueEnd(bytes, next, end, depth + 1);
      if (next !== end) throw new MalformedAmqp(`the list or map at byte ${at} is longer than its elements`);
      return end;
    }
    case ARRAY: {
      const end = within(at + width + sizeAt(bytes, at, width, limit), limit, at);
      const count = sizeAt(bytes, at + width, width, end);
      if (count > ARRAY_ELEMENTS_MAX) throw new MalformedAmqp(`the array at byte ${at} has ${count} elements`);
      let next = at + 2 * width;
      if (bytes[next] === 0x00) next = valueEnd(bytes, next + 1, end, depth + 1);
      within(next + 1, end, next);
      const element = bytes.readUInt8(next);
      next += 1;
      for (let left = count; left > 0; left -= 1) next = dataEnd(bytes, element, next, end, depth + 1);
      if (next !== end) throw new MalformedAmqp(`the array at byte ${at} is longer than its elements`);
      return end;
    }
    default:
      throw new MalformedAmqp(`byte ${at - 1} holds 0x${code.toString(16)}, which is no AMQP type`);
  }
}

/**
 * Where the value that starts at `at` (with its constructor, described or not) ends. Walks into lists, maps and arrays,
 * so that what it accepts every AMQP library can decode.
 * @throws MalformedAmqp
 */
export function valueEnd(bytes: Buffer, at: number, limit: number, depth = 0): number {
  if (depth > DEPTH_MAX) throw new MalformedAmqp(`values are nested deeper than ${DEPTH_MAX} at byte ${at}`);
  within(at + 1, limit, at);
  const code = bytes.readUInt8(at);
  if (code === 0x00) return valueEnd(bytes, valueEnd(bytes, at + 1, limit, depth + 1), limit, depth + 1);
  return dataEnd(bytes, code, at + 1, limit, depth);
}

/** The text of the string or symbol value at `at`; undefined when it is of another type. */
export function textAt(bytes: Buffer, at: number): string | undefined {
  const code = bytes[at];
  if (code === 0xa1 || code === 0xa3) return bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt8(at + 1));
  if (code === 0xb1 || code === 0xb3) return bytes.toString('utf8', at + 5, at + 5 + bytes.readUInt32BE(at + 1));
  return undefined;
}

/** First byte and number of the elements of the list or map value at `at`, which `valueEnd` has accepted. */
export function elementsAt(bytes: Buffer, at: number): { first: number; count: number } {
  const code = bytes[at];
  if (code === 0xc0 || code === 0xc1) return { first: at + 3, count: bytes.readUInt8(at + 2) };
  if (code === 0xd0 || code === 0xd1) return { first: at + 9, count: bytes.readUInt32BE(at + 5) };
  return { first: at + 1, count: 0 };
}

/** Whether the value at `at` is a map. */
export const isMapAt = (bytes: Buffer, at: number): boolean => bytes[at] === MAP8 || bytes[at] === MAP32;
/** Whether the value at `at` is a list. */
export const isListAt = (bytes: Buffer, at: number): boolean =>
  bytes[at] === 0x45 || bytes[at] === 0xc0 || bytes[at] === 0xd0;
/** Whether the value at `at` is binary; then where its bytes start. */
export function binaryStartAt(bytes: Buffer, at: number): number | undefined {
  if (bytes[at] === 0xa0) return at + 2;
  return bytes[at] === 0xb0 ? at + 5 : undefined;
}
