// Runs real servers under zero: `npm run compat`, or after a build `node build/test/compat/main.js`, with --quick or
// --only PATTERN. A complete run writes docs/compatibility.md. Exit code 1: a server is missing, lost a request, or did
// something else that is forbidden.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../bench/machine.ts';
import { withScope } from '../../bench/scope.ts';
import { PACKAGES } from './place.ts';
import { runServer } from './runner.ts';
import type { CompatServer, Outcome } from './server.ts';
import { SERVERS, UNSUPPORTED } from './servers/index.ts';
import { countsText, writeTable } from './table.ts';

const AT_A_TIME = 5;

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const only = new RegExp(values.only ?? '', 'i');
const chosen = SERVERS.filter(({ title, quick }) => only.test(title) && (quick || !values.quick));
if (chosen.length === 0) {
  process.stderr.write(`no server matches --only ${values.only}\n`);
  process.exit(2);
}

/** Installs exact versions in a separate directory. The project itself does not depend on them. */
function installPackages(): void {
  process.stdout.write('installing the packages of test/compat/packages/package.json\n');
  const args = [
    'install',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--ignore-scripts',
    '--loglevel=error',
  ];
  execFileSync('npm', args, { cwd: PACKAGES, stdio: ['ignore', 'ignore', 'inherit'] });
}

function print(server: CompatServer, outcome: Outcome, seconds: number): void {
  const { title, version, handovers, short, kept, sockets, warnings, problems } = outcome;
  const result = problems.length === 0 ? 'ok' : 'FAILED';
  process.stdout.write(
    `${result}  ${title} (${version}): ${handovers} handovers; short ${countsText(short)}; ` +
      `keep-alive ${countsText(kept)}; socket ${sockets.join(' and ')}; ${seconds.toFixed(1)} s\n`,
  );
  for (const text of problems) process.stdout.write(`    ${text.replaceAll('\n', '\n    ')}\n`);
  if (server.warnings !== undefined)
    for (const text of warnings) process.stdout.write(`    expected: ${text.slice(0, 200)}\n`);
}

if (chosen.some(({ source }) => 'npm' in source)) installPackages();
const rows = new Map<CompatServer, Outcome>();
const waiting = [...chosen];
async function runNext(): Promise<void> {
  for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
    const begin = performance.now();
    const next = server;
    const outcome = await withScope((scope) => runServer(scope, next, values.quick ? 2 : 5));
    print(server, outcome, (performance.now() - begin) / 1000);
    rows.set(server, outcome);
  }
}
// Most of the time of a handover is waiting for connections to end.
await Promise.all(Array.from({ length: AT_A_TIME }, runNext));
const outcomes = chosen.flatMap((server): [CompatServer, Outcome][] => {
  const outcome = rows.get(server);
  return outcome === undefined ? [] : [[server, outcome]];
});
if (!values.quick && values.only === undefined) writeTable(describeMachine(), outcomes, UNSUPPORTED);
const bad = outcomes.filter(([, { problems }]) => problems.length > 0);
process.stdout.write(`${outcomes.length - bad.length} of ${outcomes.length} servers passed\n`);
// Handles that a server left open must not keep this process alive.
process.exit(bad.length > 0 ? 1 : 0);
