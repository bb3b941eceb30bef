// Runs the tests with every supported version of Node, and writes the table of docs/node-versions.md:
// node scripts/matrix.js [--node MAJOR]... [GROUP...]
// GROUP is a folder of test/, as in scripts/test.js. Default: all groups and versions. The other versions are in
// build/nodes (scripts/nodes.js). The tests start zero, its services and the library with the same version.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { binaries } from './nodes.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped'];
const TABLE = join(ROOT, 'docs', 'node-versions.md');
const { values, positionals } = parseArgs({
  options: { node: { type: 'string', multiple: true, default: [] } },
  allowPositionals: true,
});
const groups = positionals.length > 0 ? positionals : ['unit', 'simulation', 'system'];
const majorOf = (version) => version.split('.')[0];
const versions = binaries();
const unknown = values.node.find((major) => !versions.some(([version]) => majorOf(version) === major));
if (unknown !== undefined) throw new RangeError(`--node ${unknown}: not a version of scripts/nodes.js`);

/** Resolves to the counts of one run. Prints its output. */
function runWith(node) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const args = [join(ROOT, 'scripts', 'test.js'), ...groups];
  const started = Date.now();
  const child = spawn(node, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const counts = {};
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, name, count] = /^\S+ (\w+) (\d+)$/.exec(line) ?? [];
      if (COUNTS.includes(name)) counts[name] = Number(count);
    }
  });
  return new Promise((resolve) =>
    child.once('close', (code) =>
      resolve({ code, counts, seconds: Math.round((Date.now() - started) / 1000) }),
    ),
  );
}

/** The rows of the table by the major version. */
function rowsSoFar() {
  const lines = readFileSync(TABLE, 'utf8').split('\n');
  return new Map(lines.flatMap((line) => (/^\| \d/.test(line) ? [[majorOf(line.slice(2)), line]] : [])));
}

/** Replaces the row of one version. Written after each, so that an interrupted run leaves the results so far. */
function writeRow(version, cells) {
  const rows = rowsSoFar().set(majorOf(version), `| ${[version, ...cells].join(' | ')} |`);
  const text = `# Node versions

\`npm run test:matrix\` runs the tests with each version of Node that zero supports, one after the other. Each row is
from the newest run of its version, with ${cpus().length} processors (${process.arch}) and Linux ${release()}.

| Node | tests of | date | tests | passed | failed | cancelled | skipped | time |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${versions.flatMap(([known]) => rows.get(majorOf(known)) ?? []).join('\n')}
`;
  writeFileSync(TABLE, text);
  return text;
}

for (const [version, node] of versions) {
  if (values.node.length > 0 && !values.node.includes(majorOf(version))) continue;
  process.stdout.write(`Node ${version}\n`);
  const { code, counts, seconds } = await runWith(node);
  if (code !== 0) process.exitCode = 1;
  const time = `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const date = new Date().toISOString().slice(0, 10);
  const cells = [groups.join(', '), date, ...COUNTS.map((name) => counts[name] ?? '?'), time];
  process.stdout.write(`\n${writeRow(version, cells)}`);
}
