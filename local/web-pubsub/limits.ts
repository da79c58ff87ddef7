/** The service's limits that this stand-in keeps, each with its unit. */

/** Bytes of one message: a WebSocket frame from a client, a body of a send request. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Messages a reliable session holds without an acknowledgement; the next one ends the session. */
export const UNACKED_MESSAGES_MAX = 1000;
/** Bytes a reliable session holds without an acknowledgement. */
export const UNACKED_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes waiting in the socket of a client that reads too slowly, before it is closed. */
export const OUTBOUND_BYTES_MAX = 16 * 1024 * 1024;
/** Milliseconds a reliable session outlives its socket. */
export const RECOVERY_WINDOW_MS = 30_000;
/** Acknowledged ids a connection remembers to answer a repeat with `Duplicate`. */
export const REMEMBERED_ACK_IDS = 10_000;
/** Characters of a group name. */
export const GROUP_NAME_CHARACTERS_MAX = 1024;
/** Connections on one page of a group's list. */
export const PAGE_SIZE_MAX = 200;
/** Seconds a message may wait for its client. */
export const MESSAGE_TTL_SECONDS_MAX = 300;
/** Characters of one filter: the service refuses filters of roughly more than 100 clauses. */
export const FILTER_CHARACTERS_MAX = 8192;
/** Nested parentheses, calls and negations of one filter. */
export const FILTER_DEPTH_MAX = 64;
/** Bytes of a request body that are read and thrown away, so that the sender can read its 413. */
export const DISCARDED_BYTES_MAX = 256 * 1024 * 1024;
/** Milliseconds one request may take to arrive. */
export const REQUEST_MS_MAX = 30_000;
/** Bytes of a close reason (RFC 6455 section 5.5: a control frame carries 125, two are the code). */
export const CLOSE_REASON_BYTES_MAX = 123;
