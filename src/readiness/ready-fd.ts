import type { Socket } from 'node:net';
import { type Gate, type GateCallbacks, once } from './gate.ts';

export interface ReadyFdGateOptions {
  /** The read end of the pipe, in the supervisor; the gate closes it. */
  readonly fd: number;
  /** The number the write end has in the worker; for messages. */
  readonly descriptor: number;
}

const NEWLINE = 0x0a;

/**
 * Passes when the worker has written a line on its descriptor, whatever is in it; fails when every copy of the write end is closed before
 * that. https://skarnet.org/software/s6/notifywhenup.html
 *
 * After the line the pipe is read on until its end, also when the gate is closed: a service that goes on writing would be killed by SIGPIPE
 * (pipe(7)).
 */
export function startReadyFdGate({ fd, descriptor }: ReadyFdGateOptions, callbacks: GateCallbacks): Gate {
  const verdict = once(callbacks);
  let socket: Socket | null = null;
  let hasLine = false;

  const listen = async (): Promise<void> => {
    const { Socket } = await import('node:net');
    socket = new Socket({ fd, readable: true, writable: false });
    // Closed while the module was loaded; the descriptor is closed with the socket.
    if (verdict.isOver) socket.destroy();
    socket.on('data', (chunk) => {
      if (hasLine || !chunk.includes(NEWLINE)) return;
      hasLine = true;
      socket?.unref();
      verdict.passed();
    });
    socket.on('end', () => verdict.failed(`closed descriptor ${descriptor} without writing a line`));
    socket.on('error', (error) => verdict.failed(`read of descriptor ${descriptor}: ${error.message}`));
  };
  void listen();

  return {
    name: 'ready_fd',
    lastReason: () => `no line on descriptor ${descriptor}`,
    close() {
      verdict.over();
      if (!hasLine) socket?.destroy();
    },
  };
}
