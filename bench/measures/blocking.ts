import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../test/support/debian.ts';
import { freeAddress } from '../../test/support/free-address.ts';
import { fixture } from '../../test/support/paths.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { pause } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { listens } from '../listens.ts';
import { compareInPairs, HOW, type LoneSide, PINNED, type Side } from '../side-by-side.ts';
import { sideOf, supervise } from '../supervised.ts';

const AT_LEAST = 0.95;

interface Program {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  /** Whether one process accepts and answers. */
  readonly isAlone: boolean;
}

export const blocking: Measure = {
  name: 'blocking',
  about: `Requests per second on short connections of programs that wait in accept(2): under zero, compared with start_server (Server::Starter). The programs are loops in C and in Perl, and Starman with four workers. ${HOW} ${PINNED} Starman is not pinned.`,
  measure: async (run) => {
    const folder = mkdtempSync(join(tmpdir(), 'zero-bench-'));
    try {
      writeFileSync(
        join(folder, 'app.psgi'),
        "sub { [200, ['Content-Type' => 'text/plain', 'Content-Length' => 6], [\"hello\\n\"]] };\n",
      );
      const programs: Program[] = [
        { name: 'a loop in C', path: compiled(folder), args: [], isAlone: true },
        { name: 'a loop in Perl', path: '/usr/bin/perl', args: [fixture('accept-loop.pl')], isAlone: true },
        {
          name: 'Starman',
          path: required('starman'),
          args: ['--workers', '4', join(folder, 'app.psgi')],
          isAlone: false,
        },
      ];
      const figures: Figure[] = [];
      for (const program of programs) figures.push(await compare(run, program));
      return figures;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

function required(name: string): string {
  const found = findProgram(name);
  if (found === null)
    throw new Error(`${name} is not installed: apt-get install starman libserver-starter-perl`);
  return found;
}

function compiled(folder: string): string {
  const program = join(folder, 'accept-loop');
  execFileSync('gcc', ['-O1', '-o', program, fixture('accept-loop.c')]);
  return program;
}

async function compare(run: Run, { name, path, args, isAlone }: Program): Promise<Figure> {
  const side = ({ port, pid }: LoneSide): Side => (isAlone ? { port, pid } : { port });
  const underZero = async (scope: Scope) => side(await sideOf(await supervise(scope, { path, args })));
  const underStarter = async (scope: Scope) => side(await start(scope, [...AS_DESCRIPTOR_3, path, ...args]));
  const [supervised, started] = await compareInPairs(run, underZero, underStarter, 'short');
  return {
    name: `requests a second of ${name}, short connections`,
    unit: 'x start_server',
    target: { atLeast: AT_LEAST },
    values: ratios(supervised, started),
    samples: { under_zero: supervised, under_start_server: started },
  };
}

/**
 * start_server puts the descriptor into SERVER_STARTER_PORT (`host:port=fd`). The loop in C always uses descriptor 3.
 */
const AS_DESCRIPTOR_3 = ['sh', '-c', 'fd=${SERVER_STARTER_PORT##*=}; exec "$0" "$@" 3<&"$fd"'];

async function start(scope: Scope, command: readonly string[]): Promise<LoneSide> {
  const address = await freeAddress();
  const port = Number(address.split(':').at(-1));
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const starter = spawn(required('start_server'), [`--port=127.0.0.1:${port}`, '--', ...command], {
    stdio: 'ignore',
    env: environment,
    detached: true,
  });
  scope.after(() => {
    if (starter.pid !== undefined) process.kill(-starter.pid, 'SIGKILL');
  });
  // The socket listens before the program runs. Then the program has to start, as it does under zero.
  while (!(await listens(port))) await pause(20);
  await pause(1_000);
  const pid = Number(readFileSync(`/proc/${starter.pid}/task/${starter.pid}/children`, 'utf8').trim());
  return { port, pid };
}
