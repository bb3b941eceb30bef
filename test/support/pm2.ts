import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Skippable } from './debian.ts';
import { guardProcesses } from './guard.ts';
import { folderOf, installedPeer, installPeer } from './peers.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The version that the benchmarks measure too. */
export const PM2 = '7.0.4';

const MAX_WAIT = 60_000;

/** A daemon of pm2 with its own directory. */
export interface Pm2 {
  /** Runs a command line in a shell with `pm2` on its PATH. Rejects if it fails. */
  run(commandLine: string, environment?: Readonly<Record<string, string>>): Promise<string>;
  /** PM2_HOME, which `run` sets. */
  readonly home: string;
  /** The pid of the daemon, after the first command. */
  pid(): number;
}

/** Uses the pm2 of the benchmarks. With CI=true it is installed if it is missing, otherwise the test is skipped. */
export function requirePm2(test: Skippable & Scope): Pm2 | null {
  const found = installedPeer('pm2', PM2);
  if (found === null && process.env.CI !== 'true') {
    test.skip(`pm2 is not installed: npm install --no-save --prefix ${folderOf('pm2', PM2)} pm2@${PM2}`);
    return null;
  }
  const program = join(found ?? installPeer('pm2', PM2), '..', '.bin');
  // Before the directory, because cleanup ends the processes first.
  const guard = guardProcesses(test);
  const home = temporaryFolder(test);
  const pid = (): number => Number(readFileSync(join(home, 'pm2.pid'), 'utf8'));
  const PATH = [program, process.env.PATH].join(delimiter);
  return {
    home,
    pid,
    run: async (commandLine, environment = {}) => {
      const env = { PATH, HOME: home, PM2_HOME: home, ...environment };
      try {
        return (await promisify(execFile)('sh', ['-c', commandLine], { env, timeout: MAX_WAIT })).stdout;
      } finally {
        if (existsSync(join(home, 'pm2.pid'))) guard.own(pid());
      }
    },
  };
}
