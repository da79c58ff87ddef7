/** Splits a query into tokens. */
import { badRequest } from '../cosmos-error.ts';

type TokenKind = 'word' | 'parameter' | 'string' | 'number' | 'symbol' | 'end';

export interface Token {
  kind: TokenKind;
  /** The word as written, the decoded string, the symbol. */
  text: string;
  /** Offset in the query, for messages. */
  at: number;
}

/** Characters of a query (service limit: 512 KB). */
const QUERY_CHARACTERS_MAX = 512 * 1024;

const SYMBOLS = ['>>>', '<>', '!=', '<=', '>=', '<<', '>>', '||', '??', ...Array.from('()[]{},.:?=<>+-*/%|&^~')];
const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const BLANK = /(?:\s+|--[^\n]*)+/y;

/** @throws 400 naming the character that cannot be read */
export function tokenize(text: string): Token[] {
  if (text.length > QUERY_CHARACTERS_MAX)
    throw badRequest(`The SQL query text is longer than ${QUERY_CHARACTERS_MAX} characters.`);
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  for (;;) {
    at += take(BLANK)?.length ?? 0;
    const character = text[at];
    if (character === undefined) return [...tokens, { kind: 'end', text: 'the end of the query', at }];
    if (character === "'" || character === '"') {
      const { value, end } = readString(text, at);
      tokens.push({ kind: 'string', text: value, at });
      at = end;
      continue;
    }
    const number = take(NUMBER);
    const word = number === undefined ? take(WORD) : undefined;
    if (number !== undefined || word !== undefined) {
      tokens.push({ kind: number === undefined ? 'word' : 'number', text: number ?? word ?? '', at });
      at += (number ?? word ?? '').length;
      continue;
    }
    if (character === '@') {
      at++;
      const name = take(WORD);
      if (name === undefined) throw syntaxError('@', at - 1);
      tokens.push({ kind: 'parameter', text: `@${name}`, at: at - 1 });
      at += name.length;
      continue;
    }
    const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, at));
    if (symbol === undefined) throw syntaxError(character, at);
    tokens.push({ kind: 'symbol', text: symbol === '<>' ? '!=' : symbol, at });
    at += symbol.length;
  }
}

/** The service's wording for a query that cannot be read. */
export function syntaxError(near: string, at: number, hint?: string): Error {
  return badRequest(
    `Syntax error, incorrect syntax near '${near}' at position ${at}.${hint === undefined ? '' : ` ${hint}`}`,
  );
}

function readString(text: string, start: number): { value: string; end: number } {
  const quote = text[start];
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === quote) return { value, end: at + 1 };
    if (character !== '\\') {
      value += character;
      continue;
    }
    const escaped = text[++at] ?? '';
    if (escaped === 'u') {
      const digits = text.slice(at + 1, at + 5);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw syntaxError(`\\u${digits}`, at - 1);
      value += String.fromCharCode(Number.parseInt(digits, 16));
      at += 4;
    } else value += ESCAPES[escaped] ?? escaped;
  }
  throw syntaxError(quote ?? '', start, 'The string is not closed.');
}
