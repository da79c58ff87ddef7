/**
 * What instances with open streams are told besides entries: that an application was changed, so that what it may see is
 * looked up at once. As with entries the message only wakes; who misses it finds out at its next look.
 */

/** The group that every instance with open streams is in. */
export const CONTROL_GROUP = 'ctl';
/** Characters of a client id; ours are shorter. */
const CLIENT_ID_CHARS_MAX = 128;

/** A message of the control group: the client id of an application whose document has changed. */
export interface ControlMessage {
  changed: string;
}

/** The client id that a message of the control group names; undefined when it is of another shape. */
export function readControlMessage(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null || !('changed' in data)) return undefined;
  const { changed } = data;
  return typeof changed === 'string' && changed !== '' && changed.length <= CLIENT_ID_CHARS_MAX ? changed : undefined;
}
