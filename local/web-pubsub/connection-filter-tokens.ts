import { FILTER_CHARACTERS_MAX } from './limits.ts';
import { badRequest, type ServiceError } from './service-error.ts';

/** A token of a filter, with where it starts. */
export interface FilterToken {
  kind: 'word' | 'string' | 'integer' | 'symbol';
  text: string;
  at: number;
}

const tokenPattern = /(?<word>[A-Za-z_]\w*)|(?<string>'(?:[^']|'')*')|(?<integer>[+-]?\d+)|(?<symbol>[(),])/y;

/**
 * Splits a filter into tokens.
 * @throws ServiceError 400 where a character belongs to none
 */
export function readFilterTokens(filter: string): FilterToken[] {
  if (filter.length > FILTER_CHARACTERS_MAX) throw invalidFilter(`more than ${FILTER_CHARACTERS_MAX} characters`);
  const tokens: FilterToken[] = [];
  let at = 0;
  while (at < filter.length) {
    if (/\s/.test(filter.charAt(at))) {
      at += 1;
      continue;
    }
    tokenPattern.lastIndex = at;
    const groups = tokenPattern.exec(filter)?.groups;
    const [kind, text] = Object.entries(groups ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (kind === undefined || text === undefined) {
      throw invalidFilter(`unexpected '${filter.charAt(at)}' at character ${at + 1}`);
    }
    tokens.push({ kind: kind as FilterToken['kind'], text, at });
    at += text.length;
  }
  return tokens;
}

/** 400 for a filter, saying what is wrong with it. */
export function invalidFilter(reason: string): ServiceError {
  return badRequest('filter', `Invalid filter: ${reason}.`);
}
