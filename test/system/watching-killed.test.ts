import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { guardProcesses } from '../support/guard.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { keeperPid, killSupervisor, startSurvivor, supervisorPid } from '../support/survivor.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { zeroOnTerminal } from '../support/terminal.ts';
import { DEADLINE } from '../support/zero.ts';

const MESSAGES =
  'zero: connection lost. Waiting up to 60 s for the supervisor to run again\n' +
  'zero: the supervisor is running again\n';

describe('a command that follows a killed supervisor', () => {
  it('zero status --watch --json prints the status of the next one', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero } = service;
    await keeperPid(zero);
    const watching = startCommand(t, zero, ['status', '--watch', '--json']);
    await watching.shown('"restarted_when_killed":true');
    const first = supervisorPid(zero);
    await killSupervisor(service);
    await watching.shown('"restarts":1');
    watching.signal('SIGINT');
    const { code, stdout, stderr } = await watching.finished;
    assert.deepEqual([code, stderr], [0, MESSAGES]);
    const documents = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      [documents[0].pid, documents.at(-1).pid, documents.at(-1).supervisor.started_by],
      [first, supervisorPid(zero), 'keeper'],
    );
  });

  it('zero status --watch draws the status of the next one below', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero } = service;
    await keeperPid(zero);
    const watching = zeroOnTerminal(t, zero, ['status', '--watch']);
    await watching.until(({ text }) => /generation 1 {2}serving/.test(text));
    await killSupervisor(service);
    await watching.until(({ text }) =>
      /is running again\n.*zero was restarted 1 time.*generation 1 {2}serving/s.test(text),
    );
    watching.type('\u0003');
    assert.deepEqual(await watching.finished, { code: 0, signal: null });
    const { text, wrapped } = watching.screen;
    // The last status before the kill, the two messages, and the first status after them.
    assert.equal(text.match(/generation 1 {2}serving/g)?.length, 2, text);
    assert.equal(text.match(/^zero: /gm)?.length, 2, text);
    assert.deepEqual(wrapped, []);
  });

  it('zero logs -f prints every line once, also those in between', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero, incumbent } = service;
    await keeperPid(zero);
    await incumbent.write(1, 'before\none\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f', '-n', '1']);
    const documents = startCommand(t, zero, ['logs', '--json', '-f', '--generation', '1']);
    await following.shown('one\n');
    await documents.shown('"one"');
    for (const [name, restarts] of [
      ['two', 1],
      ['three', 2],
    ] as const) {
      const { cursor } = zero;
      process.kill(supervisorPid(zero), 'SIGKILL');
      await incumbent.write(1, `${name}\n`);
      await zero.fact('supervisor_recovered', {}, cursor);
      await incumbent.write(1, `${name} again\n`);
      await following.shown(`${name} again\n`);
      await documents.shown(`"${name} again"`);
      const { stdout } = await command(t, zero, 'status', '--json');
      assert.equal(JSON.parse(stdout).supervisor.restarts, restarts);
    }
    for (const one of [following, documents]) one.signal('SIGINT');
    const lines = ['one', 'two', 'two again', 'three', 'three again'];
    const raw = await following.finished;
    assert.deepEqual([raw.code, raw.stdout], [0, `${lines.join('\n')}\n`]);
    assert.equal(raw.stderr, MESSAGES.repeat(2));
    const json = await documents.finished;
    const texts = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).text);
    assert.deepEqual([json.code, texts, json.stderr], [0, ['before', ...lines], MESSAGES.repeat(2)]);
  });

  it('zero logs -f keeps reading the output files', DEADLINE, async (t) => {
    const directory = join(temporaryFolder(t), 'output');
    mkdirSync(directory);
    const service = await startSurvivor(t, { output: { directory } });
    const { zero, incumbent } = service;
    await keeperPid(zero);
    await incumbent.write(1, 'one\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    await following.shown('one\n');
    await killSupervisor(service);
    await incumbent.write(1, 'two\n');
    await following.shown('two\n');
    const stop = await command(t, zero, 'stop');
    assert.equal(stop.code, 0, stop.stderr);
    const { code, stdout, stderr } = await following.finished;
    assert.deepEqual([code, stdout, stderr], [0, 'one\ntwo\n', MESSAGES]);
  });

  it('zero status --watch ends if the supervisor is halted and does not respond', DEADLINE, async (t) => {
    const { zero } = await startSurvivor(t);
    await keeperPid(zero);
    const watching = startCommand(t, zero, ['status', '--watch', '--json']);
    await watching.shown('"restarted_when_killed":true');
    zero.signal('SIGSTOP');
    const { code, stderr } = await watching.finished;
    zero.signal('SIGCONT');
    assert.equal(code, 1);
    assert.match(stderr, /^zero status: zero has not answered within 10 s /);
  });

  it('zero logs -f and zero status --watch survive an upgrade too', DEADLINE, async (t) => {
    const { zero, incumbent } = await startSurvivor(t);
    await keeperPid(zero);
    await incumbent.write(1, 'one\n');
    const following = startCommand(t, zero, ['logs', '--raw', '-f']);
    const watching = startCommand(t, zero, ['status', '--watch', '--json']);
    await following.shown('one\n');
    await watching.shown('"upgrades":0');
    const upgrade = await command(t, zero, 'upgrade');
    assert.equal(upgrade.code, 0, upgrade.stderr);
    await incumbent.write(1, 'two\n');
    await following.shown('two\n');
    await watching.shown('"upgrades":1');
    for (const one of [following, watching]) one.signal('SIGINT');
    const { code, stdout, stderr } = await following.finished;
    assert.deepEqual([code, stdout, stderr], [0, 'one\ntwo\n', MESSAGES]);
    const watched = await watching.finished;
    assert.deepEqual([watched.code, watched.stderr], [0, MESSAGES]);
  });
});

describe('a command that follows zero ends with its reader', () => {
  it('zero status --watch --json and zero logs -f', DEADLINE, async (t) => {
    const directory = join(temporaryFolder(t), 'output');
    mkdirSync(directory);
    const { zero, incumbent } = await startSurvivor(t, { output: { directory } });
    await incumbent.write(1, 'one\n');
    for (const [args, first] of [
      ['logs --raw -f', /^one\n$/],
      ['status --watch --json', /^\{"version":1,.*\n$/],
    ] as const) {
      const script = `${ZERO_COMMAND.join(' ')} ${args} --config ${zero.config} | head -n 1`;
      const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      guardProcesses(t).own(child.pid ?? 0);
      const closed = once(child, 'close');
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      // head exits after the first line.
      await once(child.stdout, 'data');
      let isClosed = false;
      void closed.then(() => {
        isClosed = true;
      });
      // The kernel reports a missing reader at a write, and the command ends at the next one.
      for (let line = 1; !isClosed; line += 1) {
        await incumbent.write(1, `more ${line}\n`);
        await command(t, zero, 'abort');
        if (args.startsWith('status')) await command(t, zero, 'reload', '--no-wait');
      }
      assert.match(text, first);
    }
  });
});
