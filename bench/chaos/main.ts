// npm run chaos [-- --seed N --minutes M]: runs a service under load and causes random faults in zero and its
// processes. Prints each lost request with its cause. Exits with 0 exactly when zero survived all faults and every
// cause is one that zero cannot prevent.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { pause } from '../clock.ts';
import { withScope } from '../scope.ts';
import { drawFaults } from './draw.ts';
import { FAULTS } from './faults.ts';
import { type Caused, causeOf, countFaults, describeCause } from './judge.ts';
import { Subject } from './subject.ts';

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
  const subject = await Subject.start(scope);
  await subject.load();
  const survived: Caused[] = [];
  for (const { name, pause: wait, random } of drawFaults(seed, Object.keys(FAULTS))) {
    if (subject.time >= minutes * 60_000) break;
    await pause(wait);
    const from = subject.time;
    try {
      const mayLose = (await FAULTS[name]?.(subject, random)) ?? null;
      survived.push({ name, from, to: subject.time, mayLose });
    } catch (error) {
      console.error(
        `not survived at ${seconds(from)}: ${name}\n${error instanceof Error ? error.message : error}`,
      );
      process.exitCode = 1;
      return;
    }
    console.log(`${seconds(from).padStart(8)}  ${name}: survived after ${seconds(subject.time - from)}`);
  }
  const results = await subject.stop();
  const losses = results.flatMap((result) => result.losses).sort((one, other) => one.at - other.at);
  let unexplained = 0;
  for (const loss of losses) {
    const cause = causeOf(loss, survived);
    const why = cause === null ? 'NO KNOWN CAUSE' : describeCause(cause);
    console.log(`lost at ${seconds(loss.at)}: ${loss.name} (${loss.detail}): ${why}`);
    if (cause === null) unexplained += 1;
  }
  const sent = results.reduce((sum, result) => sum + result.sent, 0);
  console.log(
    `survived ${survived.length}: ${countFaults(survived)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  console.log(
    `requests: ${sent} sent, ${losses.length} lost, ${unexplained} without a known cause (seed ${seed})`,
  );
  if (unexplained > 0) process.exitCode = 1;
});
