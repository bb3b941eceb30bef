import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { readFileSync, renameSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../support/command.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { assertUntouched, nextReady, startPuppetService, startServing } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

/** Resolves when zero has handled every earlier signal, because it answers a later command. */
async function caughtUp(t: Scope, zero: Zero): Promise<void> {
  const { code, stderr } = await command(t, zero, 'status', '--json');
  assert.equal(code, 0, stderr);
}

/** Resolves when a file of this name appears. */
async function appears(file: string): Promise<void> {
  const watcher = watch(dirname(file));
  try {
    for await (const [, name] of on(watcher, 'change')) if (name === basename(file)) return;
  } finally {
    watcher.close();
  }
}

function eventsIn(file: string): string[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line).event);
}

describe('SIGUSR1', () => {
  it('reopens logging.file, and is not forwarded to the service', DEADLINE, async (t) => {
    const file = join(temporaryFolder(t), 'zero.log');
    // A worker without a handler for SIGUSR1 would die of it.
    const { zero, puppets } = await startPuppetService(t, { application: { logging: { file } } });
    const puppet = await nextReady(puppets);
    renameSync(file, `${file}.1`);
    const opened = appears(file);
    zero.signal('SIGUSR1');
    await opened;
    await puppet.onSignal('SIGTERM', 'report');
    zero.signal('SIGTERM');
    await puppet.event('signal', { signal: 'SIGTERM' });
    await puppet.exit(0);
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    const before = eventsIn(`${file}.1`);
    const after = eventsIn(file);
    assert.equal(before[0], 'supervisor_started');
    assert.ok(!before.includes('stop_requested'));
    assert.ok(after.includes('stop_requested'));
    assert.ok(![...before, ...after].includes('worker_restarting'));
    assert.equal(after.at(-1), 'supervisor_stopped');
  });

  it('is forwarded as well if forward_signals lists it', DEADLINE, async (t) => {
    const runtime = { forward_signals: ['SIGUSR1'] };
    const { zero, incumbent } = await startServing(t, { runtime });
    await incumbent.onSignal('SIGUSR1', 'report');
    zero.signal('SIGUSR1');
    await incumbent.event('signal', { signal: 'SIGUSR1' });
  });

  it('is the reload signal if the config sets it', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, { options: { reload_signal: 'SIGUSR1' } });
    zero.signal('SIGUSR1');
    const candidate = await nextReady(puppets);
    assert.equal(candidate.generation, 2);
    await incumbent.gone;
    await zero.fact('reload_requested', { by: 'SIGUSR1' });
  });
});

describe('SIGUSR1 during the start of Node', () => {
  it('leaves no inspector open', DEADLINE, async (t) => {
    const early = join(temporaryFolder(t), 'early.cjs');
    // Node reads the port when it opens its inspector.
    writeFileSync(early, "process.debugPort = 0; process.kill(process.pid, 'SIGUSR1');");
    const [node, ...zeroArgs] = ZERO_COMMAND;
    const { zero } = await startServing(t, {}, { command: [node, `--require=${early}`, ...zeroArgs] });
    const ports = [...zero.log.text.matchAll(/Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)/g)];
    assert.ok(ports.length > 0);
    for (const [, port] of ports)
      await assert.rejects(once(connect(Number(port), '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
  });
});

describe('SIGUSR2', () => {
  it('upgrades zero, stops nothing and opens no inspector', DEADLINE, async (t) => {
    const service = await startServing(t);
    service.zero.signal('SIGUSR2');
    await service.zero.fact('supervisor_recovered', { by: 'upgrade' });
    // Of the two signals that Node handles, this one starts its inspector.
    service.zero.signal('SIGUSR1');
    await caughtUp(t, service.zero);
    assert.doesNotMatch(service.zero.log.text, /Debugger listening/);
    assert.deepEqual(service.zero.log.all('worker_exited'), []);
  });

  it('is the reload signal if the config sets it', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { options: { reload_signal: 'SIGUSR2' } });
    zero.signal('SIGUSR2');
    assert.equal((await nextReady(puppets)).generation, 2);
    await zero.fact('reload_requested', { by: 'SIGUSR2' });
  });
});

describe('SIGHUP', () => {
  it('is ignored if another signal reloads', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { reload_signal: 'SIGWINCH' } });
    const { zero, puppets, incumbent } = service;
    zero.signal('SIGHUP');
    await caughtUp(t, zero);
    assert.deepEqual(zero.log.all('reload_requested'), []);
    await assertUntouched(service, incumbent);
    zero.signal('SIGWINCH');
    assert.equal((await nextReady(puppets)).generation, 2);
  });
});

describe('the reload signal of a new config', () => {
  it('applies once its generation is promoted', DEADLINE, async (t) => {
    const { zero, puppets, rewrite, reload } = await startServing(t);
    rewrite({ options: { reload_signal: 'SIGUSR1' } });
    reload();
    const second = await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 2 });
    zero.signal('SIGHUP');
    await caughtUp(t, zero);
    assert.equal(zero.log.all('reload_requested').length, 1);
    zero.signal('SIGUSR1');
    await nextReady(puppets);
    await second.gone;
  });

  it('does not apply if its generation is rolled back', DEADLINE, async (t) => {
    const { zero, puppets, rewrite, reload } = await startServing(t);
    rewrite({ options: { reload_signal: 'SIGURG' } });
    reload();
    await (await puppets.next()).exit(1);
    await zero.fact('handover_finished', { outcome: 'rolled_back' });
    const from = reload();
    await zero.fact('reload_requested', { by: 'SIGHUP' }, from);
  });
});

describe('the signals in forward_signals', () => {
  it('are forwarded to every running worker, and to no exited process', DEADLINE, async (t) => {
    const runtime = { forward_signals: ['SIGWINCH', 'SIGCONT'] };
    const { zero, puppets, incumbent: crashed, reload } = await startServing(t, { runtime });
    await crashed.die();
    const incumbent = await nextReady(puppets);
    reload();
    const candidate = await puppets.next();
    for (const puppet of [incumbent, candidate])
      for (const signal of ['SIGWINCH', 'SIGCONT'] as const) await puppet.onSignal(signal, 'report');
    for (const signal of ['SIGWINCH', 'SIGCONT'] as const) {
      zero.signal(signal);
      for (const puppet of [incumbent, candidate]) await puppet.event('signal', { signal });
    }
    assert.deepEqual(zero.log.all('stop_requested'), []);
  });

  it('are not forwarded if they are not listed', DEADLINE, async (t) => {
    const service = await startServing(t);
    await service.incumbent.onSignal('SIGWINCH', 'report');
    service.zero.signal('SIGWINCH');
    await caughtUp(t, service.zero);
    // No event arrived before the answer to a later request.
    await service.incumbent.look();
    assert.equal(service.incumbent.cursor, 0);
  });
});
