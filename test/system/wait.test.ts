import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { assertUntouched, nextReady, startPuppetService, startServing } from '../support/puppet-service.ts';
import { reversed } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };

describe('zero reload --no-wait, then zero wait:', () => {
  it('the printed number leads to the verdict of the handover, also later', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const asked = await command(t, zero, 'reload', '--no-wait', '--json');
    const { outcome, handover } = JSON.parse(asked.stdout);
    assert.deepEqual([asked.code, asked.stderr, outcome, handover], [13, '', 'in_progress', 2]);
    const waiting = startCommand(t, zero, ['wait', `${handover}`, '--json']);
    await nextReady(puppets);
    const during = await waiting.finished;
    assert.deepEqual([during.code, during.stderr], [0, '']);
    const verdict = JSON.parse(during.stdout);
    assert.deepEqual([verdict.outcome, verdict.handover, verdict.generation], ['promoted', 2, 2]);
    for (const which of [[], ['2']]) {
      const later = await command(t, zero, 'wait', ...which, '--json');
      assert.deepEqual([later.code, JSON.parse(later.stdout)], [0, verdict]);
    }
    const text = await command(t, zero, 'wait');
    assert.match(text.stdout, /^handover 2 promoted after .*: generation 2 serves\n$/);
  });

  it('a failed candidate exits with 10, and its output is printed', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    const asked = await command(t, zero, 'reload', '--no-wait');
    assert.match(asked.stdout, /^Handover 2 requested\. /);
    const candidate = await puppets.next();
    await candidate.write(2, 'no such table\n');
    await candidate.exit(7);
    const { code, stderr } = await command(t, zero, 'wait');
    assert.equal(code, 10);
    assert.match(stderr, /^handover 2 rolled back after .*\n(?:.*\n)* {2}exit {4}exit code 7\n/);
    assert.match(stderr, /\| no such table\n/);
    assert.equal((await command(t, zero, 'wait', '2')).stderr, stderr);
    await assertUntouched(service, service.incumbent);
  });
});

describe('zero wait while the request waits behind another handover', () => {
  it('follows it through the queue to its verdict', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'reload', '--no-wait');
    const first = await puppets.next();
    const behind = JSON.parse((await command(t, zero, 'reload', '--no-wait', '--json')).stdout);
    assert.equal(behind.handover, 3);
    const status = await command(t, zero, 'status', '--json');
    const { handover, pending_handover } = JSON.parse(status.stdout);
    assert.deepEqual(
      [handover.id, handover.by, pending_handover],
      [2, ['zero reload'], { id: 3, by: ['zero reload'] }],
    );
    const waiting = startCommand(t, zero, ['wait', '3', '--json']);
    await first.exit(7);
    await nextReady(puppets);
    const { code, stdout } = await waiting.finished;
    assert.deepEqual([code, JSON.parse(stdout).generation], [0, 3]);
  });

  it('exits with 14 when a newer request replaces it there', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'reload', '--no-wait');
    await puppets.next();
    await command(t, zero, 'reload', '--no-wait');
    const waiting = startCommand(t, zero, ['wait', '3', '--json']);
    const { cursor } = zero;
    await command(t, zero, 'reload', '--preview', '--no-wait');
    await zero.fact('reload_requested', { handover: 4 }, cursor);
    const { code, stdout } = await waiting.finished;
    const { outcome, handover } = JSON.parse(stdout);
    assert.deepEqual([code, outcome, handover], [14, 'superseded', 3]);
    assert.equal((await command(t, zero, 'wait', '3')).code, 14);
  });

  it('exits with 12 when the handover is aborted, and when zero is stopped', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'reload', '--no-wait');
    const candidate = await puppets.next();
    const first = startCommand(t, zero, ['wait', '2', '--json']);
    await command(t, zero, 'abort');
    assert.equal((await first.finished).code, 12);
    await candidate.gone;
    await command(t, zero, 'reload', '--no-wait');
    await puppets.next();
    const second = startCommand(t, zero, ['wait', '--json']);
    await command(t, zero, 'stop');
    const { code, stdout } = await second.finished;
    // A stop may be faster than the start of a command.
    if (code !== 3) assert.deepEqual([code, JSON.parse(stdout).outcome], [12, 'aborted']);
  });
});

describe('zero wait only watches:', () => {
  it('--timeout exits with 13, and the handover continues', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'reload', '--no-wait');
    const candidate = await puppets.next();
    const over = await command(t, zero, 'wait', '--timeout', '300ms', '--json');
    const { outcome, handover, failure } = JSON.parse(over.stdout);
    assert.deepEqual([over.code, over.stderr, outcome, handover], [13, '', 'in_progress', 2]);
    assert.equal(failure.reason, '--timeout 300ms expired. Handover 2 is still in progress.');
    const text = await command(t, zero, 'wait', '2', '--timeout', '300ms');
    assert.match(
      text.stderr,
      /^--timeout 300ms expired\. Handover 2 is still in progress\. Wait for its result with: /,
    );
    const seen = startCommand(t, zero, ['wait', '2']);
    await candidate.listen({ name: 'http' });
    await candidate.write(10, 'ready\n');
    assert.equal((await seen.finished).code, 0);
  });

  it('the deadline of the caller aborts the handover during the wait', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, zero, ['reload', '--timeout', '2s']);
    // The deadline may pass before the candidate has connected to the test.
    await zero.fact('worker_spawned', { generation: 2 });
    const waiting = startCommand(t, zero, ['wait']);
    assert.equal((await reloading.finished).code, 11);
    assert.equal((await waiting.finished).code, 11);
  });
});

describe('zero wait for a handover that a signal started', () => {
  it('finds its number in status and history', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    service.reload();
    await puppets.next();
    const status = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
    assert.deepEqual([status.handover.id, status.handover.by], [2, ['SIGHUP']]);
    assert.match(
      (await command(t, zero, 'status')).stdout,
      /^handover 2, started .* ago: starting\n.*requested by SIGHUP$/m,
    );
    const waiting = startCommand(t, zero, ['wait']);
    const { code } = await command(t, zero, 'abort');
    assert.equal(code, 0);
    assert.equal((await waiting.finished).code, 12);
    service.rewrite({ runtime: { path: '/no/such/program' } });
    const cursor = service.reload();
    await zero.fact('handover_finished', { handover: 3, outcome: 'failed' }, cursor);
    const history = JSON.parse((await command(t, zero, 'history', '--json')).stdout);
    assert.deepEqual(
      history.generations.map(({ generation, handover }: Record<string, number>) => [generation, handover]),
      [
        [1, 1],
        [2, 2],
      ],
    );
    assert.deepEqual(
      history.handovers.map(({ handover, outcome, generation }: Record<string, unknown>) => [
        handover,
        outcome,
        generation,
      ]),
      [
        [1, 'promoted', 1],
        [2, 'aborted', 2],
        [3, 'failed', null],
      ],
    );
    const { stdout } = await command(t, zero, 'history');
    assert.match(stdout, /^ {2}2 .* aborted .* 2: /m);
    assert.match(stdout, /^ {2}- .* failed .* 3: .*\n.*release\.path: /m);
  });
});

describe('zero wait for a handover of an earlier supervisor', () => {
  it('finds it in the history, and numbers continue', DEADLINE, async (test) => {
    const t = reversed(test);
    const first = await startServing(t, { handover: QUICK });
    first.reload();
    await (await first.puppets.next()).exit(7);
    await first.zero.fact('handover_finished', { handover: 2 });
    first.zero.signal('SIGTERM');
    await first.zero.exited;
    const { zero, puppets } = await startPuppetService(t, { handover: QUICK }, { folder: first.zero.folder });
    await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    const { code, stdout } = await command(t, zero, 'wait', '2', '--json');
    const { outcome, failure } = JSON.parse(stdout);
    assert.deepEqual([code, outcome, failure.reason], [10, 'rolled_back', 'exited with code 7']);
    assert.equal((await command(t, zero, 'wait', '3')).code, 0);
  });
});

describe('zero wait for an unknown handover', () => {
  it('exits with 1 and lists the known ones; an invalid number exits with 2', DEADLINE, async (t) => {
    const { zero } = await startServing(t, { handover: QUICK });
    const unknown = await command(t, zero, 'wait', '9');
    assert.deepEqual(
      [unknown.code, unknown.stderr],
      [1, 'zero wait: unknown handover 9: known handovers are 1 to 1\n'],
    );
    const document = JSON.parse((await command(t, zero, 'wait', '9', '--json')).stdout);
    assert.deepEqual([document.error.code, document.exit_code], ['unknown_handover', 1]);
    for (const wrong of ['0', '-1', 'last', '1.5'])
      assert.equal((await command(t, zero, 'wait', '--', wrong)).code, 2, wrong);
  });
});
