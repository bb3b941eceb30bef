// npm run fuzz [-- --seed N --minutes M --parser NAME]: random inputs for each parser that reads input from outside.
// Stops at the first input for which a parser neither returns a valid value nor refuses. Writes that input to a file,
// and exits with 1.
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Found, fuzz } from './run.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(1, 1_000_000)) },
    minutes: { type: 'string', default: '1' },
    parser: { type: 'string', multiple: true, default: Object.keys(TARGETS) },
  },
});
const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
const unknown = values.parser.filter((name) => !(name in TARGETS));
if (!Number.isInteger(seed) || seed < 0 || !(minutes > 0) || unknown.length > 0) {
  console.error('usage: npm run fuzz -- [--seed N] [--minutes M] [--parser NAME]');
  console.error(`parsers: ${Object.keys(TARGETS).join(', ')}; minutes are those of each parser`);
  process.exit(2);
}

for (const name of values.parser) {
  const target = TARGETS[name]?.();
  if (target === undefined) continue;
  const end = Date.now() + minutes * 60_000;
  try {
    const { inputs, outcomes } = await fuzz(target, seed, () => Date.now() >= end);
    const counts = [...outcomes]
      .sort(([, one], [, other]) => other - one)
      .map(([what, count]) => `${what} ${count}`);
    console.log(`${name}: seed ${seed}, ${inputs} inputs: ${counts.join(', ')}`);
  } catch (error) {
    if (!(error instanceof Found)) throw error;
    const file = join(tmpdir(), `zero-fuzz-${name}-${seed}`);
    writeFileSync(file, error.input);
    console.error(`${error.message}\nseed ${seed}; the input is in ${file}`);
    process.exitCode = 1;
  } finally {
    await target.close?.();
  }
}
