// Runs the compiled tests: node scripts/test.js GROUP... [--only PATTERN] [--repeat N]
// GROUP is a folder of test/ (unit, simulation, system). PATTERN is a regular expression on file names. The tests are
// compiled by `tsc`.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MINUTE = 60_000;
// System tests start real programs and mostly wait for them: two files run at once. More would only slow the services
// down. The time limit is for a whole file.
const SETTINGS = {
  unit: { concurrency: 4, timeout: 5 * MINUTE },
  simulation: { concurrency: Math.min(availableParallelism(), 4), timeout: 30 * MINUTE },
  system: { concurrency: 2, timeout: 20 * MINUTE },
};
/** Folders with tests that reap any child of their process (waitid(2)). */
const ALONE = ['linux', 'control', 'workers/output', 'workers/processes', 'workers/spawning'];
const COUNTED = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/;

function usage(message) {
  process.stderr.write(
    `${message}\nusage: node scripts/test.js unit|simulation|system ... [--only PATTERN] [--repeat N]\n`,
  );
  process.exit(2);
}

/** Compiled files whose source still exists: the compiler does not remove the files of deleted sources. */
function testFiles(group, only) {
  const folder = join(ROOT, 'test', group);
  if (!existsSync(folder)) return [];
  const sources = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .sort();
  return sources
    .filter((name) => only.test(join('test', group, name)))
    .map((name) => join(ROOT, 'build', 'test', group, name.replace(/\.ts$/, '.js')));
}

const runGroup = ({ group, files }) => run({ files: processesOf(group, files), ...SETTINGS[group] });

/**
 * One entry for each process. The unit tests of a folder share one, because the start of Node and the imports take
 * longer than most of them.
 */
function processesOf(group, files) {
  if (group !== 'unit') return files;
  const tests = join(ROOT, 'build', 'test');
  const folders = new Map();
  for (const file of files) {
    const folder = relative(tests, dirname(file));
    const key = ALONE.some((name) => folder === join(group, name)) ? file : folder;
    folders.set(key, [...(folders.get(key) ?? []), file]);
  }
  return [...folders].map(([folder, members]) => {
    const [only] = members;
    if (members.length === 1) return only;
    const entry = join(ROOT, 'build', 'test-folders', `${folder.replaceAll('/', '-')}.mjs`);
    mkdirSync(dirname(entry), { recursive: true });
    writeFileSync(entry, members.map((file) => `import '${pathToFileURL(file)}';\n`).join(''));
    return entry;
  });
}

/**
 * One stream of events for each group, to be read one after the other. The simulation starts at the same time as the
 * other groups, whose tests often wait. It gives them priority (test/simulation/lifecycle.test.ts), and its events are
 * buffered until the others have ended.
 */
function* streamsOf(plan) {
  const isOnce = new Set(plan.map(({ group }) => group)).size === plan.length;
  const isBeside = ({ group }) => isOnce && group === 'simulation' && plan.length > 1;
  const kept = plan.filter(isBeside).map((part) => runGroup(part).toArray());
  for (const part of plan) if (!isBeside(part)) yield runGroup(part);
  yield* kept;
}

/** All groups as one stream of events, with one summary at the end. */
async function* runGroups(plan) {
  const totals = new Map();
  for (const events of streamsOf(plan)) {
    for await (const event of await events) {
      const [, name, value] =
        event.type === 'test:diagnostic' ? (COUNTED.exec(event.data.message) ?? []) : [];
      if (name !== undefined && event.data.nesting === 0) {
        totals.set(name, (totals.get(name) ?? 0) + Number(value));
      } else if (event.type !== 'test:summary') {
        if (event.type === 'test:fail' && !event.data.todo) process.exitCode = 1;
        yield event;
      }
    }
  }
  for (const [name, value] of totals) {
    const message = `${name} ${name === 'duration_ms' ? value.toFixed(1) : value}`;
    yield { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } };
  }
}

const options = { only: { type: 'string', default: '' }, repeat: { type: 'string', default: '1' } };
let parsed;
try {
  parsed = parseArgs({ allowPositionals: true, options });
} catch (error) {
  usage(error.message);
}
const { positionals: groups, values } = parsed;
if (groups.length === 0) usage('no group given');
const unknown = groups.filter((group) => SETTINGS[group] === undefined);
if (unknown.length > 0) usage(`unknown group: ${unknown.join(' ')}`);
if (!/^[1-9]\d*$/.test(values.repeat)) usage(`--repeat ${values.repeat}: not a count`);

const plan = groups.map((group) => ({ group, files: testFiles(group, new RegExp(values.only)) }));
const files = plan.flatMap((part) => part.files);
// A filter that matches no file, or an empty folder, must not count as success.
if (files.length === 0) usage(`no test file matches ${values.only || groups.join(' ')}`);
const missing = files.filter((file) => !existsSync(file)).map((file) => relative(ROOT, file));
if (missing.length > 0) usage(`not compiled, run "npm run compile" first: ${missing.join(' ')}`);

const nonEmpty = plan.filter((part) => part.files.length > 0);
const repeated = Array.from({ length: Number(values.repeat) }, () => nonEmpty).flat();
const report = new Spec();
report.pipe(process.stdout);
for await (const event of runGroups(repeated)) {
  if (!report.write(event)) await new Promise((resolve) => report.once('drain', resolve));
}
report.end();
