import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** The checkout, whose `dist` is measured. */
export const ROOT = process.cwd();
export const ZERO = path.join(ROOT, 'bin/zero.js');

/** One figure with what it was made of. `target` is what it must be at most (or at least). */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly target: { readonly kind: 'at_most' | 'at_least'; readonly value: number };
  /** What the target is compared with: the median, unless the figure is a single reading. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly note: string;
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Takes A and B in turn, so that a machine whose speed drifts is the same for both. */
export async function pairs(
  count: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<{ a: number[]; b: number[]; ratios: number[] }> {
  const result = { a: [] as number[], b: [] as number[], ratios: [] as number[] };
  for (let i = 0; i < count; i++) {
    const first = await a();
    const second = await b();
    result.a.push(first);
    result.b.push(second);
    result.ratios.push(first / second);
  }
  return result;
}

/** A figure from the ratios of pairs. */
export function ratioFigure(
  name: string,
  target: Figure['target'],
  measured: { a: number[]; b: number[]; ratios: number[] },
  note: string,
): Figure {
  const { a, b, ratios } = measured;
  const value = median(ratios);
  const samples = { a, b };
  return {
    name,
    unit: 'x',
    target,
    value,
    low: Math.min(...ratios),
    high: Math.max(...ratios),
    note,
    samples,
  };
}

export function machine(): string {
  const cpu = os.cpus()[0]?.model ?? 'unknown processor';
  return `${cpu}, ${os.cpus().length} cores, ${os.type()} ${os.release()}, Node ${process.version}`;
}

/** A zero that is measured: its facts, and an end to it. */
export interface Measured {
  readonly pid: number;
  readonly folder: string;
  /** Resolves with the next fact of this kind that has not been waited for yet. */
  fact(event: string): Promise<Record<string, unknown>>;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Starts zero on a config; `$RUN` in it is a folder of its own. */
export async function startZero(config: string): Promise<Measured> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'zero-bench-'));
  const file = path.join(folder, 'zero.yaml');
  const head = `application: { runtime_directory: ${folder}/run, data_directory: ${folder}/data, logging: { format: json } }\n`;
  fs.writeFileSync(file, head + config.replaceAll('$RUN', folder));
  const child = spawn(process.execPath, [ZERO, '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const seen: Record<string, unknown>[] = [];
  const waiting: { event: string; resolve: (fact: Record<string, unknown>) => void }[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const fact = JSON.parse(line) as Record<string, unknown>;
    const index = waiting.findIndex(({ event }) => event === fact.event);
    if (index < 0) seen.push(fact);
    else waiting.splice(index, 1)[0]?.resolve(fact);
  });
  return {
    pid: child.pid ?? 0,
    folder,
    fact: (event) =>
      new Promise((resolve) => {
        const index = seen.findIndex((fact) => fact.event === event);
        const known = index < 0 ? undefined : seen.splice(index, 1)[0];
        if (known) resolve(known);
        else waiting.push({ event, resolve });
      }),
    signal: (name) => {
      child.kill(name);
    },
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Private_Dirty of a process in megabytes (proc(5), smaps_rollup). */
export function privateDirty(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/Private_Dirty:\s+(\d+) kB/.exec(text)?.[1] ?? Number.NaN) / 1024;
}

/** Context switches of all threads of a process so far. */
export function contextSwitches(pid: number): number {
  const threads = fs.readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const text = fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    const counts = [...text.matchAll(/ctxt_switches:\s+(\d+)/g)].map(([, count]) => Number(count));
    return sum + counts.reduce((a, b) => a + b, 0);
  }, 0);
}

/** Here the time that passes is what is measured. */
export const elapse = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function gitRevision(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
}
