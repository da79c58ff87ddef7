/** Output bindings: what a function returns or sets is written somewhere when it has succeeded. */
import type { ReadSetting } from '../config/settings.ts';
import type { RegisteredFunction } from '../core/app-state.ts';
import type { BindingInfo, InvocationResponse, TypedData } from '../core/contract.ts';

interface OutputSetup {
  functionName: string;
  binding: BindingInfo;
  readSetting: ReadSetting;
}

export interface OutputWriter {
  write: (data: TypedData) => Promise<void>;
  close: () => Promise<void>;
}

export interface Output {
  /** Type of the binding. */
  type: string;
  /** Checks the binding; connects at the first write. @throws ConfigurationError naming function and option */
  prepare: (setup: OutputSetup) => OutputWriter;
}

/** The writers of every function, by the name of the binding. */
export type OutputWriters = Map<RegisteredFunction, Map<string, OutputWriter>>;

/**
 * Writes what an invocation produced. A write that fails fails the invocation, as on the platform.
 * @throws what the service answered
 */
export async function writeOutputs(
  writers: OutputWriters,
  fn: RegisteredFunction,
  { outputData = [], returnValue }: InvocationResponse,
): Promise<void> {
  const own = writers.get(fn);
  if (own === undefined) return;
  const produced = [...outputData, { name: '$return', data: returnValue }];
  await Promise.all(
    produced.map(async ({ name = '', data }) => {
      if (data !== null && data !== undefined) await own.get(name)?.write(data);
    }),
  );
}

/** Closes what the writers have opened. */
export async function closeOutputs(writers: OutputWriters): Promise<void> {
  const all = [...writers.values()].flatMap((byName) => [...byName.values()]);
  await Promise.all(all.map((writer) => writer.close()));
}

/** A value as the entries that are written: a JSON array is one entry each. Texts stay texts, JSON is parsed. */
export function outputEntries(data: TypedData): unknown[] {
  if (data.bytes !== undefined) return [Buffer.from(data.bytes)];
  const value =
    data.string ?? (data.json === undefined ? (data.int ?? data.double) : (JSON.parse(data.json) as unknown));
  return Array.isArray(value) ? value : [value];
}
