import { writeSync } from 'node:fs';
import { errorCode } from '../common/errors.ts';
import { closeFd, connectSocket, openSocket } from '../linux/sockets.ts';
import type { Peer } from './transport.ts';

/** A Unix datagram socket connected to the one at `path`, with one datagram per line. Throws SystemError. */
export function openUnix(path: string, failed: (error: unknown, gone: boolean) => void): Peer {
  const fd = openSocket('unix', 'dgram');
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeFd(fd);
    isOpen = false;
  };
  try {
    connectSocket(fd, { family: 'unix', path });
  } catch (error) {
    close();
    throw error;
  }
  return {
    send(line) {
      if (!isOpen) return;
      try {
        // On a connected socket write(2) is send(2): one datagram.
        writeSync(fd, line);
      } catch (error) {
        // The receiver's queue is full. The metric is dropped, because it is not worth a wait.
        if (errorCode(error) === 'EAGAIN') return;
        close();
        failed(error, true);
      }
    },
    async close() {
      close();
    },
  };
}
