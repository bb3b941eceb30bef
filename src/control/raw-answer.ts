import type { Socket } from 'node:net';
import { type ErrorCode, errorStatus } from './protocol.ts';

/** The body of an error. */
export function errorBody(code: ErrorCode, message: string, field?: string): string {
  return `${JSON.stringify({ error: { code, message, ...(field === undefined ? {} : { field }) } })}\n`;
}

/**
 * Sends an answer without a request, and closes the connection.
 * @param headers of every answer
 */
export function refuse(
  socket: Socket,
  code: ErrorCode,
  message: string,
  headers: Readonly<Record<string, string>>,
): void {
  const body = errorBody(code, message);
  const head = [
    `HTTP/1.1 ${errorStatus[code]} ${code}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
