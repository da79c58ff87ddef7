/**
 * What one stream sees: what its client asked for, cut down to what its application may see now. Streams that ask for
 * the same under the same policy share one View object, and so their frames and writes.
 */
import { createHash } from 'node:crypto';
import type { JournalEvent } from '../journal/journal-entry.ts';
import type { Authority } from './authority-watch.ts';
import type { Framing } from './framing.ts';

/** Kinds of journal events. */
export type EventKind = JournalEvent['k'];

/** How the payload of an event is written: as it is, or as CloudEvents 1.0 in JSON. */
type PayloadFormat = 'plain' | 'cloudevents';

/** What a client asked for. */
export interface Selection {
  readonly framing: Framing;
  readonly format: PayloadFormat;
  readonly types: ReadonlySet<EventKind>;
  /** Absent: every device that is permitted. */
  readonly devices?: ReadonlySet<string>;
  /** With `devices`: those as well. Who is in a group is settled before, in the authority. */
  readonly groups?: ReadonlySet<string>;
  /** Absent: every parameter. Alerts concern several parameters and are never cut. */
  readonly parameters?: ReadonlySet<string>;
  /** At most one telemetry event per device in this many milliseconds: the newest. Absent: all. */
  readonly everyMs?: number;
}

/** How events are written: one per wire format, payload format and choice of parameters. */
export interface Lens {
  readonly key: string;
  readonly framing: Framing;
  /** The payload of an event as a client gets it; undefined when no parameter of it was asked for. */
  payload(event: JournalEvent, tenantId: string): object | undefined;
  /** Its frame. */
  render(event: JournalEvent, tenantId: string): string | undefined;
}

/** What one stream sees now. */
export interface View {
  readonly lens: Lens;
  readonly devices: ReadonlySet<string>;
  readonly everyMs: number | undefined;
  sees(deviceId: string): boolean;
  wants(kind: EventKind): boolean;
}

/** Views that are remembered for sharing: a client may ask for a new combination each time. */
const VIEWS_REMEMBERED = 10_000;

/** Hands out views; equal ones are the same object. */
export class ViewBook {
  readonly #pages = new Map<string, { authority: Authority; views: Map<string, View> }>();
  #made = 0;

  /**
   * The view of a selection under an authority.
   * @param scope whose authority it is; a changed one drops the scope's older views
   */
  view(scope: string, authority: Authority, selection: Selection): View {
    if (this.#made >= VIEWS_REMEMBERED) this.clear();
    let page = this.#pages.get(scope);
    if (page === undefined || page.authority !== authority) {
      page = { authority, views: new Map() };
      this.#pages.set(scope, page);
    }
    const key = selectionKey(selection);
    const known = page.views.get(key);
    if (known !== undefined) return known;
    const view = viewOf(authority, selection);
    page.views.set(key, view);
    this.#made += 1;
    return view;
  }

  /** Forgets everything: views of open streams stay theirs, and are no longer shared with new ones. */
  clear(): void {
    this.#pages.clear();
    this.#made = 0;
  }
}

/** What `selection` comes to under `authority`. */
export function viewOf(authority: Authority, selection: Selection): View {
  const permitted = authority.devices;
  const narrowed = selection.groups === undefined ? selection.devices : undefined;
  const devices = narrowed ? new Set([...narrowed].filter((id) => permitted.has(id))) : permitted;
  const types = new Set(selection.types);
  if (!authority.includeAnomalies) types.delete('anomaly');
  return {
    lens: makeLens(selection),
    devices,
    everyMs: selection.everyMs,
    sees: (deviceId) => devices.has(deviceId),
    wants: (kind) => types.has(kind),
  };
}

function makeLens({ framing, format, parameters }: Selection): Lens {
  const payload = (event: JournalEvent, tenantId: string) => {
    const data = parameters === undefined ? event.d : pick(event, parameters);
    return data === undefined || format === 'plain' ? data : cloudEvent(event, data, tenantId);
  };
  return {
    key: lensKey({ framing, format, ...(parameters ? { parameters } : {}) }),
    framing,
    payload,
    render(event, tenantId) {
      const data = payload(event, tenantId);
      return data && framing.frame(event.k, JSON.stringify(data));
    },
  };
}

function pick(event: JournalEvent, parameters: ReadonlySet<string>): object | undefined {
  switch (event.k) {
    case 'telemetry': {
      const chosen = Object.entries(event.d.readings).filter(([name]) => parameters.has(name));
      return chosen.length === 0 ? undefined : { ...event.d, readings: Object.fromEntries(chosen) };
    }
    case 'anomaly':
      return parameters.has(event.d.parameter) ? event.d : undefined;
    case 'alert':
      return event.d;
  }
}

/** CloudEvents 1.0, JSON format, with the extension for distributed tracing: `source` and `id` together are unique. */
function cloudEvent(event: JournalEvent, data: object, tenantId: string): object {
  return {
    specversion: '1.0',
    id: event.d.eventId,
    source: `/tenants/${encodeURIComponent(tenantId)}/devices/${encodeURIComponent(event.d.deviceId)}`,
    type: `sluice.${event.k}`,
    subject: event.d.deviceId,
    time: event.d.ts,
    datacontenttype: 'application/json',
    ...(event.k === 'telemetry' && event.tp !== undefined && { traceparent: event.tp }),
    data,
  };
}

function lensKey({ framing, format, parameters }: Pick<Selection, 'framing' | 'format' | 'parameters'>): string {
  return `${framing.name} ${format} ${listKey(parameters)}`;
}

function selectionKey(selection: Selection): string {
  return `${lensKey(selection)} ${listKey(selection.types)} ${listKey(selection.devices)} ${selection.everyMs ?? ''}`;
}

/** Long lists are hashed: thousands of streams keep their keys. */
function listKey(list: ReadonlySet<string> | undefined): string {
  if (list === undefined) return '*';
  const text = [...list].toSorted().join(',');
  return text.length <= 44 ? text : createHash('sha256').update(text).digest('base64url');
}
