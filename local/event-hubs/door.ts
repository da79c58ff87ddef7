/** One port for two protocols: the first bytes of a connection say which. */
import type { Socket } from 'node:net';

const AMQP = Buffer.from('AMQP', 'latin1');
/** First byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;

/** What a connection wants. */
export type Protocol = 'amqp' | 'http' | 'tls';

/** What these first bytes begin; undefined while they are too few to tell. */
function protocolOf(bytes: Buffer): Protocol | undefined {
  if (bytes[0] === TLS_HANDSHAKE) return 'tls';
  const seen = Math.min(bytes.length, AMQP.length);
  if (bytes.compare(AMQP, 0, seen, 0, seen) !== 0) return 'http';
  return seen === AMQP.length ? 'amqp' : undefined;
}

/** Waits for the first bytes of a socket and hands it over, nothing read from it; one that stays silent is destroyed. */
export function openDoor(socket: Socket, patienceMs: number, enter: (protocol: Protocol) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  timer.unref();
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    clearTimeout(timer);
    socket.off('data', onData);
    socket.pause();
    socket.unshift(seen);
    enter(protocol);
    // The one who took over listens by now; whoever pipes or reads in another way is not disturbed by it.
    process.nextTick(() => socket.resume());
  };
  socket.on('data', onData);
  socket.on('close', () => clearTimeout(timer));
}
