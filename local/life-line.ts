/** The sign of life in the terminal: one line refreshed in place, or plain lines where there is no terminal. */
import type { Terminal } from './terminal.ts';

/** What is counted, by the metric that the host publishes. */
const SHOWN = [
  ['events in', /^sluice_ingest_(?:accepted|duplicates|quarantined)/],
  ['stored', /^sluice_ingest_accepted/],
  ['quarantined', /^sluice_ingest_quarantined/],
  ['streamed', /^sluice_stream_delivered/],
  ['alerts', /^sluice_rules_transitions.*change="opened"/],
  ['anomalies', /^sluice_anomalies_transitions.*state="opened"/],
  ['streams open', /^sluice_stream_active/],
] as const;

/** Milliseconds between looks on a terminal, and between plain lines elsewhere. */
const TERMINAL_MS = 1_000;
const PLAIN_MS = 10_000;

/** Sums the metrics that are shown from Prometheus text. */
function readCounts(prometheus: string): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(SHOWN.map(([name]) => [name, 0]));
  for (const line of prometheus.split('\n')) {
    if (line.startsWith('#')) continue;
    const value = /\s(-?[\d.e+]+)(?:\s\d+)?$/.exec(line)?.[1];
    for (const [name, pattern] of SHOWN) {
      if (value !== undefined && pattern.test(line)) counts[name] = (counts[name] ?? 0) + Number(value);
    }
  }
  return counts;
}

/** Starts showing life until it is stopped. Counts are of the running host; a restart of it begins them anew. */
export function showLife(api: string, terminal: Terminal): { stop(): void } {
  let stopped = false;
  let last = '';
  const look = async () => {
    const text = await lookOnce(api);
    if (stopped || text === last) return;
    if (terminal.refreshes) terminal.status(text);
    else terminal.print(text);
    last = text;
  };
  const timer = setInterval(() => void look(), terminal.refreshes ? TERMINAL_MS : PLAIN_MS);
  return {
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function lookOnce(api: string): Promise<string> {
  try {
    const response = await fetch(`${api}/metrics`, { signal: AbortSignal.timeout(900) });
    const counts = readCounts(await response.text());
    return Object.entries(counts)
      .map(([name, value]) => `${name} ${value.toLocaleString('en')}`)
      .join(' · ');
  } catch {
    return 'the Functions host does not answer';
  }
}
