import { closeSync, mkdtempSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { ExitStatus } from '../../../src/lifecycle/facts.ts';
import { pidfdOpen, reapOne } from '../../../src/linux/processes.ts';
import { reactor } from '../../../src/linux/reactor.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { type SpawnRequest, spawnProcess } from '../../../src/linux/spawn.ts';
import { exitStatusOf } from '../../../src/workers/processes/wait-status.ts';
import { sendSignal } from '../../support/send-signal.ts';

/** A directory that is removed after the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zero-linux-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const alive = new Set<number>();
after(() => {
  for (const pid of alive) sendSignal(pid, 'SIGKILL');
});

/** `spawnProcess` with defaults (1 and 2 are those of this process). The process is killed after the tests. */
export function start(request: Partial<SpawnRequest> & { path: string }): number {
  const pid = spawnProcess({
    argv: [request.path],
    environment: ['PATH=/usr/bin:/bin'],
    ...request,
    // Programs such as cat(1) fail without a standard output.
    descriptors: new Map([[1, 1], [2, 2], ...(request.descriptors ?? [])]),
  });
  alive.add(pid);
  return pid;
}

/** `sh -c script`. */
export function startShell(script: string, descriptors: ReadonlyMap<number, number> = new Map()): number {
  return start({ path: '/bin/sh', argv: ['sh', '-c', script], descriptors });
}

/** Resolves at the next event of readability. */
export function readable(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = reactor.watch(fd, () => {
      watch.close();
      resolve();
    });
  });
}

/** Waits for the child by its pidfd and reaps it. */
export async function ended(pid: number): Promise<ExitStatus> {
  const pidfd = pidfdOpen(pid);
  try {
    await readable(pidfd);
  } finally {
    closeFd(pidfd);
  }
  const reaped = reapOne();
  if (reaped?.pid !== pid) throw new Error(`reaped ${reaped?.pid} instead of ${pid}`);
  alive.delete(pid);
  return exitStatusOf(reaped.status);
}

/** Reads a descriptor until end-of-file, and closes it. */
export async function readAll(fd: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    await readable(fd);
    const chunk = Buffer.alloc(65536);
    const length = readSync(fd, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
  }
  closeSync(fd);
  return Buffer.concat(chunks);
}
