import { tryCall } from './libc.ts';
import { reactor, type Watch } from './reactor.ts';
import { closeFd, shutdownSending } from './sockets.ts';

/** Maximum time for which a connection is read after this side has ended it, in milliseconds. */
export const MAX_ENDING_TIME = 5_000;
/** Maximum number of bytes that are read after this side has ended a connection. */
export const MAX_ENDING_BYTES = 1024 * 1024;

const MSG_DONTWAIT = 0x40;
const CHUNK = Buffer.alloc(64 * 1024);

/**
 * Ends a connection with FIN, even if the other end has sent data. Closes its descriptor at once if the other end has
 * closed already, else when it does. close(2) with unread data would send a reset instead (RFC 2525, section 2.17), and
 * so would data that arrives after close(2). So the connection is read to its end first, but for at most
 * MAX_ENDING_TIME and MAX_ENDING_BYTES. The caller must not use the descriptor any more. Never throws.
 */
export function endConnection(fd: number): void {
  let left = MAX_ENDING_BYTES;
  let watch: Watch | null = null;
  let timer: NodeJS.Timeout | undefined;
  const close = (): void => {
    watch?.close();
    clearTimeout(timer);
    closeFd(fd);
  };
  const read = (): 'open' | 'ended' => {
    while (left > 0) {
      const length = readNow(fd);
      if (length === 'EAGAIN') return 'open';
      if (length === 0) return 'ended';
      left -= length;
    }
    return 'ended';
  };
  try {
    shutdownSending(fd);
    if (read() === 'open') {
      watch = reactor.watch(fd, () => {
        if (read() === 'ended') close();
      });
      timer = setTimeout(close, MAX_ENDING_TIME).unref();
      return;
    }
  } catch {
    // The connection cannot be watched (ENOSPC, ENOMEM) and is closed at once.
  }
  close();
}

/** Reads and discards received data; 0 at the end of the connection, even after a reset. */
function readNow(fd: number): number | 'EAGAIN' {
  const failures = ['ECONNRESET', 'ECONNREFUSED', 'ENOTCONN', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'] as const;
  const result = tryCall(['EAGAIN', ...failures], 'recv', fd, CHUNK, CHUNK.length, MSG_DONTWAIT);
  return typeof result === 'number' || result === 'EAGAIN' ? result : 0;
}
