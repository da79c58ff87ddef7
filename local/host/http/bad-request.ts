/**
 * What is no request at all. As the platform's server (Kestrel) does, each is answered by a status without a body, and
 * the connection ends: nobody can tell where the next request would begin.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const STATUS: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers malformed requests with 400 (or 431, 413, 408) and CONNECT, for which no function can be, with 404. */
export function answerBadRequests(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => latest.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = latest.get(socket);
    // An answer is under way: a second one would look like part of it.
    const isAnswering = answer !== undefined && answer.headersSent && !answer.writableFinished;
    if (error.code === 'ECONNRESET' || isAnswering) socket.destroy();
    else refuse(socket, STATUS[error.code ?? ''] ?? '400 Bad Request');
  });
  server.on('connect', (_, socket) => refuse(socket, '404 Not Found'));
}

function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy());
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, () => socket.destroy());
}
