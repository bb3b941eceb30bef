import type { Socket } from 'node:net';
import { sendRaw } from '../http/server.ts';
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
  const all = { 'Content-Type': 'application/json', ...headers };
  sendRaw(socket, `${errorStatus[code]} ${code}`, all, errorBody(code, message));
}
