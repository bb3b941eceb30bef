import type { DescriptorCalls } from '../linux/kernel.ts';
import { type Gate, type GateCallbacks, once } from './gate.ts';

export interface ReadyFdGateOptions {
  readonly kernel: Pick<DescriptorCalls, 'readPipe'>;
  /** The read end of the pipe, in the supervisor; the gate closes it. */
  readonly fd: number;
  /** The number of the write end in the worker; for messages. */
  readonly descriptor: number;
}

const NEWLINE = 0x0a;

/**
 * Passes when the worker has written any line on its descriptor. Fails when every copy of the write end is closed
 * before that. https://skarnet.org/software/s6/notifywhenup.html
 *
 * After the line the pipe is read until its end, even when the gate is closed: otherwise SIGPIPE would kill a service
 * that keeps writing (pipe(7)).
 */
export function startReadyFdGate(
  { kernel, fd, descriptor }: ReadyFdGateOptions,
  callbacks: GateCallbacks,
): Gate {
  const verdict = once(callbacks);
  let hasLine = false;

  const reader = kernel.readPipe(fd, {
    data(chunk) {
      if (hasLine || !chunk.includes(NEWLINE)) return;
      hasLine = true;
      reader.unref();
      verdict.passed();
    },
    end: (error) =>
      verdict.failed(
        error === null
          ? `closed descriptor ${descriptor} without writing a line`
          : `read of descriptor ${descriptor}: ${error.message}`,
      ),
  });

  return {
    name: 'ready_fd',
    lastReason: () => `no line on descriptor ${descriptor}`,
    close() {
      verdict.over();
      if (!hasLine) reader.close();
    },
  };
}
