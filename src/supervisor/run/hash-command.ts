import { createReadStream } from 'node:fs';
import { after } from '../../common/clock.ts';
import { findCommand } from '../../common/find-command.ts';
import type { Hash } from '../../history/executables.ts';
import { type CommandSystem, runCommand } from '../../workers/spawning/command.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Milliseconds. If hashing takes longer, the disk does not respond. */
const TIMEOUT = 600_000;

/**
 * SHA-256 by sha256sum(1) of coreutils. A separate process takes no time of the main thread and needs the same memory
 * for every file size. Node's hash works on the main thread; zero uses it where the program is not installed, as in an
 * image without coreutils.
 */
export function hashCommand(system: CommandSystem, searchPath: string = PATH): Hash {
  const isInstalled = ['nice', 'sha256sum'].every((name) => findCommand(name, searchPath) !== null);
  if (!isInstalled) return hashInPieces;
  return (fd, pace) =>
    new Promise((resolve, reject) => {
      const run = pace === 'idle' ? ['nice', '-n', '19', 'sha256sum'] : ['sha256sum'];
      const environment = new Map([['PATH', Buffer.from(searchPath)]]);
      const request = { run, directory: '/', environment, user: null, timeout: TIMEOUT, input: fd };
      runCommand(request, system, { after }, ({ status, output }) => {
        const [hash] = /^[0-9a-f]{64}(?= )/.exec(output[0] ?? '') ?? [];
        const done = status.kind === 'exited' && status.code === 0 && hash !== undefined;
        if (done) resolve(hash);
        else reject(new Error(`sha256sum failed${output.length > 0 ? `: ${output.join(' ')}` : ''}`));
      });
    });
}

/** Hashing 64 KiB takes a fraction of a millisecond of the main thread. */
async function hashInPieces(fd: number): Promise<string> {
  // Loading node:crypto takes 5 ms and a megabyte, and few machines need it.
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for await (const piece of createReadStream('', { fd, autoClose: false, start: 0 })) hash.update(piece);
  return hash.digest('hex');
}
