import { execFileSync } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { FactLog } from './fact-log.ts';
import type { Scope } from './temporary.ts';

/**
 * Creates a named pipe for `application.logging.file`, and reads its facts. For a test that checks standard error
 * itself.
 */
export function openLogPipe(scope: Scope, path: string): FactLog {
  execFileSync('mkfifo', ['-m', '666', path]);
  const log = new FactLog();
  // Opened for reading and writing: there is no end-of-file when the log is reopened (fifo(7)).
  const socket = new Socket({
    fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
    readable: true,
    writable: false,
  });
  createInterface({ input: socket }).on('line', (line) => log.line(line));
  scope.after(() => {
    log.close('the test is over');
    socket.destroy();
  });
  return log;
}
