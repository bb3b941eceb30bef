import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { guardProcesses } from '../support/guard.ts';
import { openLogPipe } from '../support/log-pipe.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { whenEnded } from '../support/process-end.ts';
import { nextReady, puppetConfig } from '../support/puppet-service.ts';
import { type Puppets, startPuppets } from '../support/puppets.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { startOnTerminal, type TerminalSession } from '../support/terminal.ts';
import { DEADLINE } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

interface OnTerminal {
  readonly terminal: TerminalSession;
  readonly puppets: Puppets;
  readonly log: ReturnType<typeof openLogPipe>;
  readonly pid: number;
  readonly config: string;
}

/** Starts zero on a terminal: directly, or by a line typed into an interactive bash, with COMMAND for zero. */
async function startThere(scope: Scope, typed: string | null): Promise<OnTerminal> {
  const folder = temporaryFolder(scope);
  const puppets = await startPuppets(scope);
  const log = openLogPipe(scope, join(folder, 'log'));
  const application = { logging: { file: join(folder, 'log') } };
  const config = writeConfig(folder, puppetConfig(puppets, { application }));
  const argv: [string, ...string[]] = [...ZERO_COMMAND, '--config', config];
  const environment = { PS1: '> ', HISTFILE: undefined };
  const terminal = startOnTerminal(scope, typed === null ? argv : ['bash', '--noediting', '--norc', '-i'], {
    environment,
  });
  if (typed !== null) terminal.type(`${typed.replace('COMMAND', argv.join(' '))}\n`);
  await nextReady(puppets);
  const { pid } = await log.fact('supervisor_started');
  guardProcesses(scope).own(pid);
  await log.fact('generation_promoted', { generation: 1 });
  return { terminal, puppets, log, pid, config };
}

/** Asserts that zero treats the stop as one of its terminal, and exits with its service. */
async function assertStopped({ puppets, log, pid }: OnTerminal): Promise<void> {
  const ended = whenEnded(pid);
  const { by, now } = await log.fact('stop_requested');
  assert.deepEqual([by, now], ['SIGHUP (terminal closed)', false]);
  await puppets.all[0]?.gone;
  assert.equal((await log.fact('supervisor_stopped')).code, 0);
  await ended;
  assert.deepEqual(
    log.all('reload_requested', ({ by }) => by === 'SIGHUP'),
    [],
  );
  assert.equal(log.all('stop_requested').length, 1);
  assert.equal(log.all('worker_killed').length, 0);
}

/** Asserts that zero keeps serving, and treats a SIGHUP from a process as a reload. */
async function assertReloads({ puppets, log, pid }: OnTerminal): Promise<void> {
  process.kill(pid, 'SIGHUP');
  await log.fact('reload_requested', { by: 'SIGHUP' });
  await nextReady(puppets);
  await log.fact('generation_promoted', { generation: 2 });
}

async function stop({ log, pid }: OnTerminal, signal: NodeJS.Signals): Promise<void> {
  const ended = whenEnded(pid);
  process.kill(pid, signal);
  assert.equal((await log.fact('stop_requested')).by, signal);
  await ended;
}

describe('zero on a terminal', () => {
  it('stops when the terminal is closed', DEADLINE, async (t) => {
    const zero = await startThere(t, null);
    zero.terminal.hangUp();
    await assertStopped(zero);
  });

  it('treats a SIGHUP from a process as a reload', DEADLINE, async (t) => {
    const zero = await startThere(t, null);
    await assertReloads(zero);
    await stop(zero, 'SIGTERM');
  });

  for (const [where, typed] of Object.entries({
    'in the foreground': 'COMMAND',
    'in the background': 'COMMAND &',
    'in the background with its output in a file': 'COMMAND > /dev/null 2>&1 &',
  })) {
    it(`stops when the terminal of its shell is closed, ${where}`, DEADLINE, async (t) => {
      if (requireProgram(t, 'bash', 'bash') === null) return;
      const zero = await startThere(t, typed);
      zero.terminal.hangUp();
      await assertStopped(zero);
    });
  }
});

describe('zero that was started to survive its terminal', () => {
  for (const [how, typed] of Object.entries({
    nohup: 'nohup COMMAND > /dev/null &',
    'nohup in the foreground': 'nohup COMMAND > /dev/null',
    setsid: 'setsid COMMAND > /dev/null 2>&1 < /dev/null &',
  })) {
    it(`by ${how}, keeps serving when the terminal is closed, and deploys nothing`, DEADLINE, async (t) => {
      if (requireProgram(t, 'bash', 'bash') === null) return;
      const zero = await startThere(t, typed);
      // The kernel sends its signals before it reports the exit of the shell.
      const shellEnded = whenEnded(zero.terminal.process.pid ?? 0);
      zero.terminal.hangUp();
      await shellEnded;
      assert.equal((await command(t, zero, 'status')).code, 0);
      assert.deepEqual(
        zero.log.all('reload_requested', ({ by }) => by === 'SIGHUP'),
        [],
      );
      if (how === 'setsid') await assertReloads(zero);
      await stop(zero, 'SIGTERM');
    });
  }
});
