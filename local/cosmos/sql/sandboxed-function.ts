/**
 * A JavaScript function out of a container, run apart from this program: in a context of its own, with a limit on its
 * time, and with nothing but JSON texts going in and out, so that it never holds an object of ours.
 */
import { createContext, Script, type Context } from 'node:vm';
import { badRequest } from '../cosmos-error.ts';
import type { JsonValue, Value } from '../json-value.ts';

/** Milliseconds of one call. */
const CALL_MS_MAX = 1000;

/** What a call answers with inside of the context. */
type Outcome = { value?: JsonValue } | { error: string };

export class Sandboxed {
  readonly #context: Context;
  readonly #call: Script;

  /** @throws 400 when the text is no function */
  constructor(body: string) {
    const sandbox = Object.create(null) as { input: string };
    sandbox.input = '[]';
    this.#context = createContext(sandbox, { codeGeneration: { strings: false, wasm: false } });
    // Arguments are arrays of one value or none, for undefined is not in JSON.
    const wrapped = `(() => {
      'use strict';
      try {
        const value = target(...JSON.parse(input).map(([argument]) => argument));
        return JSON.stringify({ value });
      } catch (error) {
        return JSON.stringify({ error: String(error) });
      }
    })()`;
    try {
      new Script(`const target = (${body.trim().replace(/;$/, '')}\n);`).runInContext(this.#context, {
        timeout: CALL_MS_MAX,
      });
      this.#call = new Script(wrapped);
      if (new Script('typeof target').runInContext(this.#context) !== 'function') throw new TypeError('it is none');
    } catch (error) {
      throw badRequest(`The body of a user-defined function must be a JavaScript function: ${reason(error)}.`);
    }
  }

  /** @throws 400 naming the function when it throws, or takes too long */
  call(name: string, args: Value[]): Value {
    let outcome: Outcome;
    try {
      this.#context['input'] = JSON.stringify(args.map((value) => (value === undefined ? [] : [value])));
      outcome = JSON.parse(String(this.#call.runInContext(this.#context, { timeout: CALL_MS_MAX }))) as Outcome;
    } catch (error) {
      throw badRequest(`The user-defined function ${name} failed: ${reason(error)}.`);
    }
    if ('error' in outcome) throw badRequest(`The user-defined function ${name} failed: ${outcome.error}.`);
    return outcome.value;
  }
}

function reason(error: unknown): string {
  return Error.isError(error) ? error.message : 'it threw';
}
