/** Parses JSON that a stranger sent: bounded in depth, and faults are told with their position. */
import { Problem } from './problem.ts';

/** Levels of nesting in a JSON body: validators recurse, and no shape of ours is deeper than a rule's conditions. */
const JSON_DEPTH_MAX = 32;

/**
 * Parses JSON text.
 * @throws Problem 400 naming line and column of the first fault, or the depth limit
 */
export function parseJson(text: string): unknown {
  const deep = tooDeepAt(text);
  if (deep >= 0) {
    throw new Problem(
      'malformed-json',
      400,
      `The body nests deeper than ${JSON_DEPTH_MAX} levels ${place(text, deep)}.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if ((error as Error).name !== 'SyntaxError') throw error;
    throw new Problem('malformed-json', 400, `The body is not valid JSON: unexpected ${found(text)}.`, {
      cause: error,
    });
  }
}

function tooDeepAt(text: string): number {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === '\\') i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') {
      if (++depth > JSON_DEPTH_MAX) return i;
    } else if (char === '}' || char === ']') depth--;
  }
  return -1;
}

function found(text: string): string {
  const at = faultAt(text);
  const what =
    at >= text.length
      ? 'end of the body'
      : `character ${JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0))}`;
  return `${what} ${place(text, at)}`;
}

function place(text: string, at: number): string {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  return `at line ${line}, column ${at - before.lastIndexOf('\n')}`;
}

const SPACE = /[ \t\n\r]*/y;
// oxlint-disable-next-line no-control-regex -- RFC 8259 §7: exactly these must not stand unescaped in a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = ['true', 'false', 'null'];

/** Index of the first character that no JSON text continues with. Only called for text that is known to be at fault. */
function faultAt(text: string): number {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match !== null;
  };
  const skip = (): void => void take(SPACE);
  const literal = (word: string): boolean => {
    for (const char of word) {
      if (text[at] !== char) return false;
      at++;
    }
    return true;
  };
  const string = (): boolean => take(STRING) && literal('"');
  const members = (close: string, item: () => boolean): boolean => {
    at++;
    skip();
    if (text[at] === close) return literal(close);
    for (;;) {
      if (!item()) return false;
      skip();
      if (text[at] === close) return literal(close);
      if (!literal(',')) return false;
      skip();
    }
  };
  const member = (): boolean => {
    if (text[at] !== '"' || !string()) return false;
    skip();
    return literal(':') && value();
  };
  const value = (): boolean => {
    skip();
    const char = text[at];
    if (char === '{') return members('}', member);
    if (char === '[') return members(']', value);
    if (char === '"') return string();
    const word = WORDS.find((candidate) => candidate[0] === char);
    return word === undefined ? take(NUMBER) : literal(word);
  };
  if (value()) skip();
  return at;
}
