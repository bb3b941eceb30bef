// npm run bench [-- [--pairs N] [NAME...]]: measures the figures, stores their samples and writes the table in
// docs/benchmarks.md.
import { parseArgs } from 'node:util';
import { type Measure, passes } from './figures.ts';
import { describeMachine } from './machine.ts';
import { blocking } from './measures/blocking.ts';
import { closeIdle } from './measures/close-idle.ts';
import { crashes } from './measures/crashes.ts';
import { dashboard } from './measures/dashboard.ts';
import { drain } from './measures/drain.ts';
import { growth } from './measures/growth.ts';
import { library } from './measures/library.ts';
import { listeners } from './measures/listeners.ts';
import { operator } from './measures/operator.ts';
import { peers } from './measures/peers.ts';
import { phpFpm } from './measures/php-fpm.ts';
import { recovery } from './measures/recovery.ts';
import { reloads } from './measures/reload.ts';
import { rest } from './measures/rest.ts';
import { rollback } from './measures/rollback.ts';
import { executableStart, start } from './measures/start.ts';
import { steered } from './measures/steered.ts';
import { survive } from './measures/survive.ts';
import { thousand } from './measures/thousand.ts';
import { throughput } from './measures/throughput.ts';
import { upgrades } from './measures/upgrades.ts';
import { workers } from './measures/workers.ts';
import { summary, writeResult, writeTable } from './report.ts';

const MEASURES: readonly Measure[] = [
  start,
  executableStart,
  reloads,
  throughput,
  steered,
  workers,
  rollback,
  drain,
  closeIdle,
  operator,
  library,
  listeners,
  recovery,
  survive,
  crashes,
  upgrades,
  rest,
  dashboard,
  thousand,
  peers,
  blocking,
  phpFpm,
  growth,
];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { pairs: { type: 'string', default: '20' } },
});
const pairs = Number(values.pairs);
const unknown = positionals.filter((name) => !MEASURES.some((measure) => measure.name === name));
if (unknown.length > 0 || !Number.isInteger(pairs) || pairs < 1) {
  console.error(`usage: npm run bench -- [--pairs N] [${MEASURES.map(({ name }) => name).join('|')}]...`);
  process.exit(2);
}

for (const measure of MEASURES) {
  if (positionals.length > 0 && !positionals.includes(measure.name)) continue;
  const machine = describeMachine();
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  const show = (text: string): void => progress(`${measure.name}: ${text}`);
  const figures = await measure.measure({ pairs, progress: show });
  progress('');
  for (const figure of figures) {
    console.log(summary(figure));
    if (passes(figure) === false) process.exitCode = 1;
  }
  writeResult(measure, machine, figures);
  writeTable(MEASURES);
}
