// Runs the tests with every supported version of Node, and writes the table of docs/node-versions.md:
// node scripts/matrix.js [GROUP...]
// GROUP is a folder of test/, as in scripts/test.js. Default: all groups. The other versions are in build/nodes
// (scripts/nodes.js). The tests start zero, its services and the library with the same version.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { binaries } from './nodes.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped'];
const groups = process.argv.length > 2 ? process.argv.slice(2) : ['unit', 'simulation', 'system'];

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

/** The table is written after each version, so that an interrupted run leaves the results so far. */
function writeTable(rows) {
  const text = `# Node versions

\`npm run test:matrix\` runs the tests with each version of Node that zero supports. In the newest run, the groups
${groups.join(', ')} ran on ${new Date().toISOString().slice(0, 10)}, with ${cpus().length} processors (${process.arch}) and Linux ${release()}.

| Node | tests | passed | failed | cancelled | skipped | time |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
  writeFileSync(join(ROOT, 'docs', 'node-versions.md'), text);
  return text;
}

const rows = [];
for (const [version, node] of binaries()) {
  process.stdout.write(`Node ${version}\n`);
  const { code, counts, seconds } = await runWith(node);
  if (code !== 0) process.exitCode = 1;
  const cells = COUNTS.map((name) => counts[name] ?? '?');
  rows.push(`| ${[version, ...cells, `${Math.floor(seconds / 60)} min ${seconds % 60} s`].join(' | ')} |`);
  process.stdout.write(`\n${writeTable(rows)}`);
}
