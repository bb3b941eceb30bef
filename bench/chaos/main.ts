// npm run chaos [-- --seed N --minutes M]: a service under load, whose zero and processes meet random faults. Prints every request that was lost, and why.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../test/support/random.ts';
import { pause } from '../clock.ts';
import { withScope } from '../scope.ts';
import { FAULTS } from './faults.ts';
import { type Caused, causeOf, countFaults } from './judge.ts';
import { Subject } from './subject.ts';

/** Between two faults, at most, in ms. */
const PAUSE = 500;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(1, 1_000_000)) },
    minutes: { type: 'string', default: '2' },
  },
});
const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
if (!Number.isInteger(seed) || seed < 0 || !(minutes > 0)) {
  console.error('usage: npm run chaos -- [--seed N] [--minutes M]');
  process.exit(2);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

await withScope(async (scope) => {
  console.log(`chaos: seed ${seed}, ${minutes} minutes`);
  const random = seededRandom(seed);
  const names = Object.keys(FAULTS);
  const subject = await Subject.start(scope);
  await subject.load();
  const survived: Caused[] = [];
  while (subject.time < minutes * 60_000) {
    await pause(random() * PAUSE);
    const name = names[Math.floor(random() * names.length)] ?? '';
    const from = subject.time;
    try {
      await FAULTS[name]?.cause(subject, random);
    } catch (error) {
      console.error(
        `not survived at ${seconds(from)}: ${name}\n${error instanceof Error ? error.message : error}`,
      );
      process.exitCode = 1;
      return;
    }
    const to = subject.time;
    survived.push({ name, from, to, mayLose: FAULTS[name]?.mayLose ?? 'nothing' });
    console.log(`${seconds(from).padStart(8)}  ${name}: survived after ${seconds(to - from)}`);
  }
  const results = await subject.stop();
  const losses = results.flatMap((result) => result.losses).sort((one, other) => one.at - other.at);
  for (const loss of losses) {
    const cause = causeOf(loss, survived);
    const why = cause === null ? 'NO KNOWN CAUSE' : `${cause.name} at ${seconds(cause.from)}`;
    console.log(`lost at ${seconds(loss.at)}: ${loss.name} (${loss.detail}): ${why}`);
    if (cause === null) process.exitCode = 1;
  }
  const sent = results.reduce((sum, result) => sum + result.sent, 0);
  console.log(
    `survived ${survived.length}: ${countFaults(survived)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  console.log(
    `requests: ${sent} sent, ${losses.length} lost, ${losses.filter((loss) => causeOf(loss, survived) === null).length} without a known cause`,
  );
});
