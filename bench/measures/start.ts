import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../test/support/paths.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { writeConfig } from '../../test/support/zero-config.ts';
import { now } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { makeProbe, type Probe } from '../first-instruction.ts';
import { withScope } from '../scope.ts';
import { configOf } from '../supervised.ts';

const COMMAND = [process.execPath, join(ROOT, 'bin/zero.js')];
const EXECUTABLE = join(ROOT, 'bin', `zero-linux-${process.arch}`);
const AT_MOST = 2.2;

export const start: Measure = {
  name: 'start',
  about:
    'From the spawn of zero to the first instruction of its service (config read, address bound, launcher passed), compared with `node -e 0` from its spawn to its exit. The service is an executable without libraries whose first instruction reads the clock.',
  measure: (run) => withScope((scope) => measureStart(scope, run)),
};

/** Compares the single executable with the npm version. */
export const executableStart: Measure = {
  name: 'executable',
  about:
    'The same start with the single executable (npm run executable), compared with the npm version on the Node of this benchmark. Then the size of its file.',
  async measure(run) {
    if (!existsSync(EXECUTABLE)) throw new Error(`${EXECUTABLE} does not exist: npm run executable`);
    const size = statSync(EXECUTABLE).size / 1e6;
    const figures = await withScope((scope) => measureExecutable(scope, run));
    const name = `size of zero-linux-${process.arch}`;
    return [...figures, { name, unit: 'MB', target: { atMost: 130 }, values: [size], samples: {} }];
  },
};

async function measureExecutable(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const config = configFor(scope, probe, '127.0.0.1:0');
  const npm: number[] = [];
  const executable: number[] = [];
  const sides = [
    { times: npm, command: COMMAND },
    { times: executable, command: [EXECUTABLE] },
  ];
  for (const { command } of sides) await timeStart(command, config, probe);
  for (let round = 1; round <= pairs; round += 1) {
    for (const { times, command } of sides.reverse()) times.push(await timeStart(command, config, probe));
    progress(`${round} of ${pairs}`);
  }
  return [
    {
      name: 'start of the executable',
      unit: 'x npm version',
      target: { atMost: 1.3 },
      values: ratios(executable, npm),
      samples: { executable_ms: executable, npm_version_ms: npm },
    },
  ];
}

async function measureStart(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const variants = ['127.0.0.1', 'localhost'].map((name) => ({
    name,
    config: configFor(scope, probe, `${name}:0`),
  }));
  const bare: number[] = [];
  const taken = variants.map((variant) => ({ ...variant, zero: [] as number[] }));
  const starts = [
    { times: bare, time: timeBareNode },
    ...taken.map(({ zero, config }) => ({ times: zero, time: () => timeStart(COMMAND, config, probe) })),
  ];
  // The first round fills the page cache.
  for (const { time } of starts) await time();
  for (let round = 1; round <= pairs; round += 1) {
    // The kernel may still be cleaning up the previous process, so the order rotates: each start follows each other
    // one.
    starts.push(...starts.splice(0, 1));
    for (const { times, time } of round % 2 === 0 ? starts : starts.toReversed()) times.push(await time());
    progress(`${round} of ${pairs}`);
  }
  return taken.map(({ name, zero }) => ({
    name: `start to the service's first instruction, ${name}`,
    unit: 'x bare node',
    target: { atMost: AT_MOST },
    values: ratios(zero, bare),
    samples: { zero_ms: zero, bare_node_ms: bare },
  }));
}

function configFor(scope: Scope, probe: Probe, address: string): string {
  const { application, service } = configOf(probe);
  return writeConfig(temporaryFolder(scope), {
    ...(application && { application }),
    service: { ...service, listeners: [{ name: 'http', address }] },
  });
}

async function timeBareNode(): Promise<number> {
  const begin = now();
  const child = launch([process.execPath, '-e', '0']);
  await ended(child);
  return now() - begin;
}

async function timeStart(command: readonly string[], config: string, probe: Probe): Promise<number> {
  const first = probe.next();
  const begin = now();
  const child = launch([...command, '--config', config]);
  const end = ended(child);
  const moment = await Promise.race([
    first,
    end.then((code) => {
      throw new Error(`zero ended with ${code} before its service began`);
    }),
  ]);
  child.kill('SIGQUIT');
  await end;
  return moment - begin;
}

function launch([program = '', ...args]: readonly string[]): ChildProcess {
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  return spawn(program, args, { stdio: 'ignore', env: environment });
}

function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
}
