/** Server-sent events in the output of curl. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */

/** One event; the id only where the event carried one. */
export interface StreamedEvent {
  type: string;
  id?: string;
  data: Record<string, unknown>;
}

/** All events that arrived whole. */
function wholeEvents(output: string): StreamedEvent[] {
  return output
    .split('\n\n')
    .slice(0, -1)
    .flatMap((block) => {
      const fields = new Map(
        block.split('\n').map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^\w+: ?/, '')]),
      );
      const data = fields.get('data');
      if (data === undefined) return [];
      const id = fields.get('id');
      const type = fields.get('event') ?? 'message';
      return [{ type, data: JSON.parse(data) as Record<string, unknown>, ...(id === undefined ? {} : { id }) }];
    });
}

/** The events up to the last id: what follows it comes again after a resume. */
export function streamedEvents(output: string): StreamedEvent[] {
  const events = wholeEvents(output);
  return events.slice(0, events.findLastIndex(({ id }) => id !== undefined) + 1);
}
