/**
 * The contract between `@azure/functions` and the worker underneath it: the module `@azure/functions-core`.
 * Only the members that the library reads are declared; names and shapes are the platform's.
 */

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';

/** A value as it travels between host and worker: exactly one member is set. */
export interface TypedData {
  string?: string;
  json?: string;
  bytes?: Uint8Array;
  int?: number;
  double?: number;
  http?: HttpData;
  collectionBytes?: { bytes: Uint8Array[] };
  collectionString?: { string: string[] };
  collectionSint64?: { sint64: Long[] };
}

/** A 64-bit number as the worker's protobuf reader yields it: a plain object, never a number. */
export interface Long {
  low: number;
  high: number;
  unsigned: boolean;
}

export interface NullableString {
  value: string;
}

/** An HTTP request (host to worker) or response (worker to host). */
export interface HttpData {
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  nullableHeaders?: Record<string, NullableString>;
  nullableParams?: Record<string, NullableString>;
  nullableQuery?: Record<string, NullableString>;
  body?: TypedData | null;
  statusCode?: string;
  cookies?: HttpCookie[];
  enableContentNegotiation?: boolean;
}

export interface HttpCookie {
  name: string;
  value: string;
  domain?: { value: string };
  path?: { value: string };
  expires?: { value: { seconds: number } };
  secure?: { value: boolean };
  httpOnly?: { value: boolean };
  sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
  maxAge?: { value: number };
}

/** One binding of a function as the library hands it over; the options of the trigger or output are members of it. */
export interface BindingInfo {
  type: string;
  direction?: 'in' | 'out';
  name?: string;
  properties?: Record<string, string>;
  [option: string]: unknown;
}

interface Duration {
  seconds: number;
}

export interface RetryOptions {
  maxRetryCount?: number;
  retryStrategy?: 'fixedDelay' | 'exponentialBackoff';
  delayInterval?: Duration;
  minimumInterval?: Duration;
  maximumInterval?: Duration;
}

export interface FunctionMetadata {
  name: string;
  functionId?: string;
  bindings: Record<string, BindingInfo>;
  retryOptions?: RetryOptions;
}

export type FunctionCallback = (...args: unknown[]) => unknown;
export type HookCallback = (context: object) => unknown;

export interface RetryContext {
  retryCount: number;
  maxRetryCount: number;
  exception?: { message: string; source: string; stackTrace: string };
}

export interface InvocationRequest {
  invocationId: string;
  functionId: string;
  inputData: { name: string; data: TypedData }[];
  triggerMetadata: Record<string, TypedData>;
  retryContext?: RetryContext;
  traceContext?: { traceParent: string; traceState: string; attributes: Record<string, string> };
}

export interface InvocationResponse {
  invocationId?: string;
  outputData?: { name?: string; data?: TypedData | null }[];
  returnValue?: TypedData | null;
}

/** What the programming model sees of an invocation. */
export interface CoreInvocationContext {
  invocationId: string;
  request: InvocationRequest;
  metadata: FunctionMetadata;
  state?: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined;
  log(level: LogLevel, category: LogCategory, message: string): void;
}

interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>;
}

export type Capabilities = Record<string, string>;

export interface ProgrammingModel {
  name: string;
  version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel | Promise<InvocationModel>;
  getCapabilities?(workerCapabilities: Capabilities): Promise<Capabilities> | Capabilities;
}
