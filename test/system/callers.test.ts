import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Command, startCommand } from '../support/command.ts';
import { pauseAt } from '../support/paused.ts';
import {
  assertUntouched,
  becomeReady,
  nextReady,
  type PuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { reversed, type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
/** Deadlines of callers in milliseconds, far enough apart to tell which one an answer belongs to. */
const SHORT = 1_000;
const LONG = 4_000;

interface Answer {
  readonly code: number | null;
  readonly outcome: string;
  readonly handover: number | null;
  readonly generation: number | null;
  readonly duration: number;
  readonly reason: string;
}

/** Runs `zero COMMAND --json`, and waits until zero has accepted the request. */
async function ask(scope: Scope, service: PuppetService, ...args: readonly string[]): Promise<Command> {
  return (await prepare(scope, service, ...args))();
}

/** Starts that command, which sends its request when the returned function is called. */
async function prepare(
  scope: Scope,
  { zero }: PuppetService,
  ...args: readonly string[]
): Promise<() => Promise<Command>> {
  const pause = pauseAt(scope, 'connect');
  const asking = startCommand(scope, zero, [...args, '--json'], pause.environment);
  await pause.reached();
  return async () => {
    const { cursor } = zero;
    await pause.end();
    await zero.fact('reload_requested', { by: `zero ${args[0]}` }, cursor);
    return asking;
  };
}

/** Sends a signal, whose request has no deadline, and waits until zero has accepted it. */
async function signal(service: PuppetService): Promise<void> {
  await service.zero.fact('reload_requested', { by: 'SIGHUP' }, service.reload());
}

async function answer({ finished }: Command): Promise<Answer> {
  const { code, stdout, stderr } = await finished;
  assert.equal(stderr, '');
  const { outcome, handover, generation, duration_ms, failure } = JSON.parse(stdout);
  return { code, outcome, handover, generation, duration: duration_ms, reason: failure?.reason ?? '' };
}

const within = (ms: number) => ['--timeout', `${ms / 1000}s`];

/** Asserts that the answer arrived after this deadline, and before any other. */
function assertPunctual({ duration }: Answer, deadline: number): void {
  assert.ok(duration >= deadline && duration < deadline + LONG - SHORT, `${duration} ms for ${deadline} ms`);
}

/** Asserts that the caller's deadline passed, and that the handover continues because `other` waits. */
function assertStillInProgress(received: Answer, deadline: number, other: string): void {
  assert.deepEqual([received.code, received.outcome, received.handover], [13, 'in_progress', 2]);
  assertPunctual(received, deadline);
  assert.match(
    received.reason,
    new RegExp(
      `^--timeout ${deadline / 1000}s expired\\. .*still in progress \\(step starting\\), because ${other} waits for it`,
    ),
  );
}

/** Asserts that the handover was aborted by the deadline of the last caller. */
function assertTimedOut(received: Answer, deadline: number): void {
  assert.deepEqual([received.code, received.outcome], [11, 'timed_out']);
  assertPunctual(received, deadline);
  assert.match(received.reason, new RegExp(`^--timeout ${deadline / 1000}s expired`));
}

describe('each caller has its own deadline:', () => {
  for (const [first, second] of [
    [SHORT, LONG],
    [LONG, SHORT],
  ] as const) {
    it(
      `${first} ms for the caller of the handover, ${second} ms for a caller that waits behind it`,
      DEADLINE,
      async (t) => {
        const service = await startServing(t, { handover: QUICK });
        const { zero, incumbent } = service;
        const askBehind = await prepare(t, service, 'reload', ...within(second));
        const ahead = await ask(t, service, 'reload', ...within(first));
        const behind = await askBehind();
        const [early, late] = first < second ? [ahead, behind] : [behind, ahead];
        assertStillInProgress(await answer(early), SHORT, 'zero reload');
        assert.deepEqual(zero.log.all('handover_finished', { handover: 2 }), []);
        assertTimedOut(await answer(late), LONG);
        await zero.fact('handover_finished', { handover: 2, outcome: 'timed_out' });
        await zero.fact('generation_gone', { generation: 2 });
        await assertUntouched(service, incumbent);
        assert.deepEqual(zero.log.all('handover_started', { handover: 3 }), []);
      },
    );
  }

  it('a signal waits without a limit, ahead of a caller', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    await signal(service);
    const candidate = await puppets.next();
    const reloading = await ask(t, service, 'reload', ...within(SHORT));
    assertStillInProgress(await answer(reloading), SHORT, 'SIGHUP');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
    // No caller waits for the next request any more.
    assert.deepEqual(zero.log.all('handover_started', { handover: 3 }), []);
  });

  it('a signal waits without a limit, behind a caller', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    const reloading = await ask(t, service, 'reload', ...within(SHORT));
    await signal(service);
    const candidate = await puppets.next();
    assertStillInProgress(await answer(reloading), SHORT, 'SIGHUP');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
  });

  it('watch waits without a limit', DEADLINE, async (test) => {
    const t = reversed(test);
    const file = join(temporaryFolder(t), 'version');
    writeFileSync(file, '1');
    const service = await startServing(t, { handover: QUICK, watch: { paths: [file], quiet: '100ms' } });
    const { zero, puppets } = service;
    await zero.fact('watching');
    writeFileSync(file, 'two');
    await zero.fact('reload_requested', { by: 'watch' });
    const candidate = await puppets.next();
    const reloading = await ask(t, service, 'reload', ...within(SHORT));
    assertStillInProgress(await answer(reloading), SHORT, 'watch');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
  });

  it('a different request is withdrawn, and the handover ahead of it continues', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    await signal(service);
    const candidate = await puppets.next();
    const rolling = await answer(await ask(t, service, 'rollback', '--to', '1', ...within(SHORT)));
    assertTimedOut(rolling, SHORT);
    assert.match(rolling.reason, /expired while the request waited behind handover 2$/);
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(zero.log.all('handover_started', { handover: 3 }), []);
  });
});

/** Asserts that another request has replaced it in the queue. */
function assertReplaced(received: Answer, by: string): void {
  assert.deepEqual([received.code, received.outcome, received.handover], [14, 'superseded', 3]);
  assert.equal(received.reason, `replaced in the queue by a request of ${by}`);
}

describe('a different request is not merged:', () => {
  it('a reload replaces a waiting rollback', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    await signal(service);
    const candidate = await puppets.next();
    const rolling = await ask(t, service, 'rollback', '--to', '1');
    const reloading = await ask(t, service, 'reload');
    assertReplaced(await answer(rolling), 'zero reload for a reload');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    assert.equal((await nextReady(puppets)).generation, 3);
    const received = await answer(reloading);
    assert.deepEqual([received.code, received.handover, received.generation], [0, 4, 3]);
    assert.deepEqual(zero.log.all('rollback_found'), []);
  });

  it('a rollback replaces a waiting reload', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: QUICK });
    const { zero, puppets } = service;
    await signal(service);
    const candidate = await puppets.next();
    const reloading = await ask(t, service, 'reload');
    const rolling = await ask(t, service, 'rollback', '--to', '1');
    assertReplaced(await answer(reloading), 'zero rollback for a rollback to generation 1');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    assert.equal((await nextReady(puppets)).generation, 3);
    const received = await answer(rolling);
    assert.deepEqual([received.code, received.handover, received.generation], [0, 4, 3]);
    await zero.fact('rollback_found', { generation: 1 });
  });

  it('a plain reload waits behind a preview, and does not become one', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, mode: 'steered' } });
    const { zero, puppets } = service;
    const preview = await ask(t, service, 'reload', '--preview');
    await nextReady(puppets);
    await zero.fact('handover_step', { handover: 2, step: 'preview' });
    const plain = await ask(t, service, 'reload');
    assert.equal((await startCommand(t, zero, ['abort']).finished).code, 0);
    const aborted = await answer(preview);
    assert.deepEqual([aborted.code, aborted.handover], [12, 2]);
    await nextReady(puppets);
    const received = await answer(plain);
    assert.deepEqual([received.code, received.handover, received.generation], [0, 3, 3]);
    assert.deepEqual(zero.log.all('handover_step', { handover: 3, step: 'preview' }), []);
  });

  it('a plain reload replaces a waiting preview', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, mode: 'steered' } });
    const { puppets } = service;
    await signal(service);
    const candidate = await puppets.next();
    const preview = await ask(t, service, 'reload', '--preview');
    const plain = await ask(t, service, 'reload');
    assertReplaced(await answer(preview), 'zero reload for a reload');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await nextReady(puppets);
    const received = await answer(plain);
    assert.deepEqual([received.code, received.handover], [0, 4]);
  });
});
