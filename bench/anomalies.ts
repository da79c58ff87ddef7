/** What the anomaly detector costs: time per point, time to save and restore, bytes of state. */
import { ALARM_LEVELS } from '../shared/anomalies/anomalies.ts';
import { NO_EPISODES, stepAnomalies } from '../shared/anomalies/anomaly-episodes.ts';
import { Detector } from '../shared/anomalies/detector.ts';
import { DeviceDetectors } from '../shared/anomalies/device-detectors.ts';

const POINTS = 400_000;
const INTERVAL_MS = 300_000;
const POINTS_PER_DAY = 288;
const ROUNDS = 5;
const PARAMETERS = 10;
const SAVES = 2_000;

/** A daily wave with noise: the time of day is in use, and so is every other channel. */
function signal(points: number): Float64Array {
  let state = 12345;
  return Float64Array.from({ length: points }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 20 + 5 * Math.sin((2 * Math.PI * i) / POINTS_PER_DAY) + state / 2 ** 32;
  });
}

/** The best of several rounds, in microseconds per unit: the others had company on the machine. */
function best(units: number, work: () => void): number {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    work();
    least = Math.min(least, ((performance.now() - start) * 1000) / units);
  }
  return least;
}

const values = signal(POINTS);
let detector = new Detector();
const perPoint = best(POINTS, () => {
  detector = new Detector();
  for (let i = 0; i < POINTS; i++) detector.update(values[i] ?? 0, i * INTERVAL_MS, ALARM_LEVELS.normal);
});
const events = Array.from({ length: POINTS / PARAMETERS }, (_, i) => ({
  deviceId: 'bench',
  ts: i * INTERVAL_MS,
  readings: Object.fromEntries(Array.from({ length: PARAMETERS }, (__, p) => [`p${p}`, values[i + p] ?? 0])),
}));
const perReading = best(POINTS, () => {
  const detectors = new DeviceDetectors();
  let episodes = NO_EPISODES;
  for (const event of events) episodes = stepAnomalies(detectors, episodes, event).episodes;
});
const perSave = best(SAVES, () => {
  for (let i = 0; i < SAVES; i++) JSON.stringify(detector.state());
});
const saved = detector.state();
const perRestore = best(SAVES, () => {
  for (let i = 0; i < SAVES; i++) Detector.restore(saved);
});

console.log(`detector               ${perPoint.toFixed(3)} µs per point`);
console.log(`device, ${PARAMETERS} parameters  ${perReading.toFixed(3)} µs per reading, episodes included`);
console.log(`save                   ${perSave.toFixed(1)} µs, ${JSON.stringify(saved).length} bytes of JSON`);
console.log(`restore                ${perRestore.toFixed(1)} µs`);
