/** A place in a list of tokens, with what a parser does there: look, take, insist. */
import { syntaxError, type Token } from './tokens.ts';

export class TokenCursor {
  readonly #tokens: Token[];
  #position = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  /** The token that many places behind the next one. */
  protected ahead(places: number): Token | undefined {
    return this.#tokens[this.#position + places];
  }

  /** The next token, left where it is. */
  protected peek(): Token {
    return this.#tokens[this.#position] ?? { kind: 'end', text: 'the end of the query', at: 0 };
  }

  /** Takes the next token. */
  protected next(): Token {
    const token = this.peek();
    this.#position++;
    return token;
  }

  /** True when the next token is this word, in any case. */
  protected isWord(word: string): boolean {
    const { kind, text } = this.peek();
    return kind === 'word' && text.toUpperCase() === word;
  }

  /** True when the next token is this symbol. */
  protected isSymbol(symbol: string): boolean {
    const { kind, text } = this.peek();
    return kind === 'symbol' && text === symbol;
  }

  /** Takes the word if it is next. */
  protected takeWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.#position++;
    return true;
  }

  /** Takes two words; the second must follow the first. */
  protected takeWords(first: string, second: string): boolean {
    if (!this.takeWord(first)) return false;
    this.expectWord(second);
    return true;
  }

  /** Takes the symbol if it is next. */
  protected takeSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.#position++;
    return true;
  }

  /** @throws 400 when the word is not next */
  protected expectWord(word: string): void {
    if (!this.takeWord(word)) throw this.unexpected(`${word} must stand here.`);
  }

  /** @throws 400 when the symbol is not next */
  protected expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw this.unexpected(`'${symbol}' must stand here.`);
  }

  /** The error for the next token. */
  protected unexpected(hint?: string): Error {
    const { text, at } = this.peek();
    return syntaxError(text, at, hint);
  }
}
