/** Raw readers of streams: they count bytes, because parsing a million events would be what is measured. */
import { connect, type Socket } from 'node:net';

/** Many open streams. */
export interface Readers {
  /** Bytes that every stream has had; with a filter of index, of one. */
  least(): number;
  /** Calls back, with the stream's index, at the first chunk that brings a stream to `bytes` more than it had at the call. */
  onMore(bytes: number, reached: (index: number) => void): void;
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens at a time: a listen backlog has an end. */
const OPENING = 100;

/** Opens `count` streams and waits until each has had its head. */
export async function openReaders(port: number, path: string, count: number): Promise<Readers> {
  const sockets: Socket[] = [];
  const had: number[] = [];
  const wanted: number[] = [];
  let reached: (index: number) => void = () => undefined;
  const openOne = (index: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      had[index] = 0;
      wanted[index] = Infinity;
      socket.once('error', reject);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
      socket.on('data', (chunk: Buffer) => {
        const now = (had[index] ?? 0) + chunk.length;
        had[index] = now;
        resolve();
        if (now < (wanted[index] ?? Infinity)) return;
        wanted[index] = Infinity;
        reached(index);
      });
    });
  for (let from = 0; from < count; from += OPENING) {
    const some = Array.from({ length: Math.min(OPENING, count - from) }, (_, index) => openOne(from + index));
    await Promise.all(some);
  }
  return {
    least: () => Math.min(...had),
    onMore(bytes, callback) {
      reached = callback;
      for (const index of had.keys()) wanted[index] = (had[index] ?? 0) + bytes;
    },
    pause: () => sockets.forEach((socket) => socket.pause()),
    resume: () => sockets.forEach((socket) => socket.resume()),
    close: () => sockets.forEach((socket) => socket.destroy()),
  };
}
