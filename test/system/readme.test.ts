import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chownSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { installZero } from '../support/installed.ts';
import { ROOT } from '../support/paths.ts';
import { account, asAccount, IS_ROOT } from '../support/privileges.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** A line that was typed, and what the README says that it prints. */
interface Step {
  readonly command: string;
  readonly printed: string[];
}

/** The console blocks of one section, in their order. */
function transcript(section: string): Step[] {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, body = ''] = new RegExp(`^## ${section}\n(.*?)^## `, 'ms').exec(text) ?? [];
  const blocks = [...body.matchAll(/^```console\n(.*?)^```/gms)].map(([, block = '']) => block);
  const steps: Step[] = [];
  for (const line of blocks.join('').trimEnd().split('\n')) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), printed: [] });
    else steps.at(-1)?.printed.push(line);
  }
  return steps;
}

/** Numbers, durations and folders are those of somebody's machine, and `...` is what was left out. */
function pattern(printed: readonly string[]): RegExp {
  const lines = printed.map((line) => {
    if (line.trim() === '...') return '(?:.*\n)*?';
    const escaped = line.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return `${escaped
      // Columns are as wide as what stands in them.
      .replaceAll(/(?<=\S) {2,}/g, ' +')
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '[\\d-]{10} [\\d:]{8}')
      .replaceAll(/\d+(?:\\\.\d+)?m?s\b/g, '[\\d.]+m?s')
      .replaceAll(/\bpid \d+|HUP \d+/g, (found) => found.replace(/\d+/, '\\d+'))
      .replaceAll('/srv/zero/', '/.*/')}\n`;
  });
  return new RegExp(`^${lines.join('')}$`);
}

/** A checkout that is built, at another address, of an ordinary user. */
async function checkout(scope: Scope): Promise<{ folder: string; address: string; prefix: string[] }> {
  const { folder } = installZero(scope);
  const address = await freeAddress();
  for (const part of ['examples', 'scripts', 'package.json'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  const config = readFileSync(join(ROOT, 'config.example.yaml'), 'utf8');
  writeFileSync(join(folder, 'config.example.yaml'), config.replaceAll('localhost:8080', address));
  if (!IS_ROOT) return { folder, address, prefix: [] };
  const nobody = account('nobody');
  for (const name of ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
    chownSync(join(folder, name), nobody.uid, nobody.gid);
  return { folder, address, prefix: asAccount(nobody) };
}

it("the README's first five minutes are true: a deploy, a bad deploy and a rollback", DEADLINE, async (t) => {
  if (requireProgram(t, 'curl', 'curl') === null) return;
  const { folder, address, prefix } = await checkout(t);
  const here = (text: string) => text.replaceAll('localhost:8080', address);
  // What the npm that runs these tests sets for its own children: another user's cache, for one.
  const npms = Object.keys(process.env).filter((name) => /^npm_/i.test(name));
  const environment: Record<string, string | undefined> = {
    ...Object.fromEntries(npms.map((name) => [name, undefined])),
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    XDG_STATE_HOME: folder,
    TMPDIR: folder,
  };
  const [start, ...steps] = transcript('The first five minutes');
  assert.ok(start);
  assert.equal(start.command, 'npm install && npm start');
  // It is installed and built, which would be done once more in front.
  const [program = '', ...args] = [...prefix, 'npm', 'start', '--silent', '--ignore-scripts'];
  const npm = startZero(t, { folder, command: [program, ...args], environment });
  // npm starts a shell, that node, and that zero: nobody else knows of it at the end of a test that failed.
  guardProcesses(t).own((await npm.fact('supervisor_started')).pid);
  await npm.fact('generation_promoted');
  const said = npm.log.text.split('\n').filter((line) => /^ {2}(open|reload|stop)/.test(line));
  assert.match(`${said.join('\n')}\n`, pattern(start.printed.map(here)));

  for (const step of steps) {
    const [program = '', ...args] = [...prefix, 'sh', '-c', here(step.command)];
    const env: NodeJS.ProcessEnv = { ...process.env, ...environment };
    for (const name of ['ZERO_CONFIG', 'NODE_OPTIONS', 'NODE_TEST_CONTEXT']) delete env[name];
    const printed = await new Promise<string>((resolve) => {
      execFile(program, args, { cwd: folder, env }, (_, stdout, stderr) => {
        // curl writes its progress where standard output is no terminal.
        resolve(step.command.startsWith('curl ') ? stdout : `${stderr}${stdout}`);
      });
    });
    assert.match(printed, pattern(step.printed.map(here)), step.command);
  }
  const hello = 'examples/hello/server.mjs';
  assert.equal(readFileSync(join(folder, hello), 'utf8'), readFileSync(join(ROOT, hello), 'utf8'));
  npm.process.kill('SIGTERM');
  await npm.exited;
});
