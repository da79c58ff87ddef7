/** JSON with comments and trailing commas, which Core Tools and the host accept in their settings files. */
import { ConfigurationError } from './configuration-error.ts';

/** @throws ConfigurationError naming the file and the position */
export function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(withoutComments(text.replace(/^\uFEFF/, '')));
  } catch (error) {
    throw new ConfigurationError(`${file} is not valid JSON: ${(error as Error).message}`);
  }
}

/** Strings are matched first, so that a `//` inside one stays. */
function withoutComments(text: string): string {
  const pieces = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=\s*[}\]])/g;
  return text.replaceAll(pieces, (piece) => (piece.startsWith('"') ? piece : ''));
}
