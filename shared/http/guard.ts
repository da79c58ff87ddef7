/** A guard decides who calls, before anything of the request is read, or ends the request with a Problem. */
import type { HttpRequest } from '@azure/functions';

/** Returns the caller, or throws the Problem that refuses the request. The token guard lives in oauth/. */
export type Guard<Caller> = (request: HttpRequest) => Promise<Caller>;
