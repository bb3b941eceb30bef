import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Scope } from './temporary.ts';
import type { Zero } from './zero.ts';

/** A connection to the control socket on which only the test sends. */
export interface RawControl {
  readonly socket: Socket;
  /** The bytes received so far. */
  readonly text: string;
  /** Resolves when the received bytes match. Rejects when the server closes the connection before. */
  until(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Everything received until the server closed the connection. */
  readonly answer: Promise<string>;
}

/** Connects to the control socket of a supervisor and sends these bytes (latin1). */
export async function rawControl(
  scope: Scope,
  { folder }: Pick<Zero, 'folder'>,
  bytes: string,
): Promise<RawControl> {
  const socket = connect(join(folder, 'run', 'control.sock'));
  scope.after(() => void socket.destroy());
  const waiting = new Set<() => void>();
  let text = '';
  let over = false;
  const look = (): void => {
    for (const one of waiting) one();
  };
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    look();
  });
  socket.on('error', () => undefined);
  const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  void answer.then(() => {
    over = true;
    look();
  });
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.write(bytes, 'latin1');
  return {
    socket,
    get text() {
      return text;
    },
    answer,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const one = (): void => {
          const found = text.match(pattern);
          if (found === null && !over) return;
          waiting.delete(one);
          if (found !== null) resolve(found);
          else reject(new Error(`no ${pattern} in: ${text.slice(-2000)}`));
        };
        waiting.add(one);
        one();
      }),
  };
}

/** A request without a body. */
export function get(path: string, ...headers: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: zero', ...headers, '', ''].join('\r\n');
}
