import koffi from 'koffi';

const SHUT_RDWR = 2;
const shutdown = koffi.load('libc.so.6').func('int shutdown(int, int)');

/** Calls shutdown(2), as a service may do on a listening socket that it shares with the supervisor. */
export function shutDown(fd: number): void {
  if (shutdown(fd, SHUT_RDWR) !== 0) throw new Error(`shutdown: errno ${koffi.errno()}`);
}
