/** LIKE: `%` any text, `_` one character, `[abc]` one of, `[^abc]` none of. */
import { badRequest } from '../cosmos-error.ts';
import type { Value } from '../json-value.ts';

/**
 * The regular expression of a pattern.
 * @throws 400 when ESCAPE is not one character
 */
export function likePattern(pattern: string, escape: Value): RegExp {
  if (escape !== undefined && (typeof escape !== 'string' || Array.from(escape).length !== 1))
    throw badRequest('The ESCAPE of LIKE must be a string of one character.');
  let source = '';
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === escape) source += literally(characters[++at] ?? '');
    else if (character === '%') source += '.*';
    else if (character === '_') source += '.';
    else if (character === '[') {
      const end = characters.indexOf(']', at + 1);
      if (end < 0) source += '\\[';
      else {
        source += characterSet(characters.slice(at + 1, end));
        at = end;
      }
    } else source += literally(character);
  }
  return new RegExp(`^${source}$`, 'su');
}

function characterSet(characters: string[]): string {
  const negated = characters[0] === '^';
  const listed = negated ? characters.slice(1) : characters;
  if (listed.length === 0) return negated ? '.' : '(?!)';
  // A range such as a-f keeps its hyphen; everything else stands for itself.
  const escaped = listed.map((character, index) =>
    character === '-' && index > 0 && index < listed.length - 1 ? '-' : character.replace(/[\\\]^-]/, '\\$&'),
  );
  return `[${negated ? '^' : ''}${escaped.join('')}]`;
}

/** A character that stands for itself in a regular expression. */
function literally(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}
