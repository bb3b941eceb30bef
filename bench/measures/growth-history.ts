import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HistoryFile } from '../../src/history/file.ts';
import type { HistoryLine, NewLine } from '../../src/history/lines.ts';
import { command } from '../../test/support/command.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { startZero, type Zero } from '../../test/support/zero.ts';
import { now } from '../clock.ts';
import type { Figure, Run } from '../figures.ts';
import { withScope } from '../scope.ts';
import { configOf, type Supervised } from '../supervised.ts';

const GENERATIONS = [1, 100, 1_000, 10_000];
/** Number of generations whose lines are appended with one write. */
const AT_ONCE = 100;
const AXIS = 'generations of history';

/** One size of history: its folder and its measurements in milliseconds. */
interface Measured {
  readonly count: number;
  readonly folder: string;
  readonly start: number[];
  readonly reload: number[];
  readonly history: number[];
}

const FIGURES = [
  { of: 'start', what: 'spawn of zero to promotion' },
  { of: 'reload', what: 'signal to promotion' },
  { of: 'history', what: 'zero history' },
] as const;

/** Measures starts, handovers and `zero history` with an increasing number of generations, in turn. */
export function historyFigures(service: Supervised, { pairs, progress }: Run): Promise<Figure[]> {
  return withScope(async (scope) => {
    const sizes: Measured[] = [];
    for (const count of GENERATIONS) {
      progress(`history of ${count}`);
      const folder = temporaryFolder(scope);
      await makeHistory(scope, service, folder, count);
      sizes.push({ count, folder, start: [], reload: [], history: [] });
    }
    for (let round = 1; round <= pairs; round += 1) {
      for (const size of round % 2 === 0 ? sizes : sizes.toReversed())
        await measureOnce(scope, service, size);
      progress(`history: ${round} of ${pairs}`);
    }
    return sizes.flatMap((size) =>
      FIGURES.map(({ of, what }) => ({
        name: `${size.count.toLocaleString('en-US')} ${AXIS}: ${what}`,
        unit: 'ms',
        target: null,
        values: size[of],
        samples: { values: size[of] },
        points: [{ axis: AXIS, panel: what, x: size.count }],
      })),
    );
  });
}

async function measureOnce(scope: Scope, service: Supervised, size: Measured): Promise<void> {
  const begin = now();
  const zero = await start(scope, service, size.folder);
  size.start.push(now() - begin);
  const asked = now();
  const { code, stderr } = await command(scope, zero, 'history', '--json');
  if (code !== 0) throw new Error(`zero history: ${stderr}`);
  size.history.push(now() - asked);
  const { cursor } = zero;
  const signalled = now();
  zero.signal('SIGHUP');
  await zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
  size.reload.push(now() - signalled);
  await end(zero);
}

async function start(scope: Scope, service: Supervised, folder: string): Promise<Zero> {
  const zero = startZero(scope, { config: configOf(service), folder });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return zero;
}

async function end(zero: Zero): Promise<void> {
  zero.signal('SIGQUIT');
  await zero.exited;
}

/** Repeats the lines that a first start writes, for each generation, with zero's own rotation. */
async function makeHistory(scope: Scope, service: Supervised, folder: string, count: number): Promise<void> {
  await end(await start(scope, service, folder));
  const fail = (error: unknown): never => {
    throw error;
  };
  const file = new HistoryFile(join(folder, 'data'), {
    clock: Date.now,
    failed: fail,
    warn: fail,
    recovered: () => {},
  });
  if (!existsSync(file.file)) throw new Error(`no history in ${file.file}`);
  const first = file.read().lines.filter(({ event }) => event !== 'stopped');
  for (let next = 1; next < count; next += AT_ONCE) {
    const generations = Array.from({ length: Math.min(AT_ONCE, count - next) }, (_, index) => next + index);
    file.append(generations.flatMap((more) => first.map((line) => later(line, more))));
  }
  await file.synced();
}

/** The same line for a later generation. */
function later({ at: _, ...line }: HistoryLine, more: number): NewLine {
  const numbers = ['generation', 'incumbent', 'handover'].flatMap((name) => {
    const number: unknown = Reflect.get(line, name);
    return typeof number === 'number' ? [[name, number + more]] : [];
  });
  return { ...line, ...Object.fromEntries(numbers) };
}
