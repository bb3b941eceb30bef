import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serviceDocument } from '../../../src/facts/service.ts';
import { healthOf } from '../../../src/lifecycle/service-state.ts';
import { Story, serving } from './story.ts';

const service = ({ state, clock }: Story) => serviceDocument(healthOf(state), clock);

/** The state, its text, and the time of the next start. */
function described(story: Story): [string, string, number | null] {
  const { state, summary, retry_in_ms } = service(story);
  return [state, summary, retry_in_ms];
}

describe('the service is', () => {
  it('starting until the first generation has passed its gates', () => {
    const story = new Story({ gates: ['notify'] });
    assert.deepEqual(described(story), ['starting', 'nothing serves: no generation has been started', null]);
    story.reload('first');
    assert.deepEqual(described(story), ['starting', 'generation 1 does not serve yet: it is starting', 0]);
    story.spawned();
    assert.equal(service(story).state, 'starting');
    story.tell({ type: 'gate_passed', gate: 'notify', generation: 1, worker: 0, incarnation: 1 });
    assert.deepEqual(described(story), ['up', 'generation 1 serves', null]);
  });

  it('down when the first generation crashes before it ever served', () => {
    const story = new Story({ gates: ['notify'] });
    story.reload('first');
    story.spawned();
    story.exited(1, { kind: 'exited', code: 3 });
    assert.deepEqual(described(story), [
      'down',
      'nothing serves: generation 1 waits for its next start',
      100,
    ]);
  });

  it('down in a crash loop, also while an unready worker runs', () => {
    const story = serving();
    story.pass(500);
    story.exited(1, { kind: 'signaled', signal: 'SIGSEGV', coreDumped: false });
    story.pass(40);
    const { state, last_exit, retry_in_ms, workers, workers_serving } = service(story);
    assert.deepEqual([state, retry_in_ms, workers, workers_serving], ['down', 60, 1, 0]);
    assert.deepEqual(last_exit, {
      worker: 0,
      exit: { kind: 'signaled', signal: 'SIGSEGV', core_dumped: false },
      reason: 'was killed by SIGSEGV',
      ms_ago: 40,
    });
    story.pass(60);
    assert.deepEqual(described(story), ['down', 'nothing serves: generation 1 is being started again', 0]);
  });

  it('down when a worker could not be started', () => {
    const story = serving();
    story.exited(1);
    story.pass(100);
    const failure = { step: 'spawn', reason: 'EAGAIN' };
    story.tell({ type: 'spawn_failed', generation: 1, worker: 0, incarnation: 2, failure });
    const { state, last_exit } = service(story);
    assert.deepEqual([state, last_exit?.exit, last_exit?.reason], ['down', null, 'EAGAIN']);
  });

  it('degraded while some workers serve', () => {
    const story = serving({ workers: 2 });
    story.exited(1);
    assert.deepEqual(described(story), ['degraded', '1 of 2 workers of generation 1 serve', 100]);
    assert.equal(service(story).last_exit?.worker, 0);
  });

  it('down when its only worker is hung and cannot be killed', () => {
    const story = serving({ restart: { onStall: true } });
    story.refuses = () => 'EPERM';
    story.tell({ type: 'stalled', generation: 1, worker: 0, incarnation: 1 });
    assert.deepEqual(described(story), ['down', 'nothing serves: generation 1 is hung', null]);
  });

  it('down when the restart policy does not restart it, while a handover may follow', () => {
    const story = serving({
      gates: ['notify'],
      restart: { policy: 'never' },
    });
    story.reload('cli');
    story.exited(1);
    assert.deepEqual(described(story), ['down', 'nothing serves: generation 1 is not started again', null]);
  });

  it('that of the new generation from its promotion', () => {
    const story = serving({ handover: { soak: 5_000 } });
    story.reload('cli');
    story.spawned();
    assert.deepEqual(described(story), ['up', 'generation 2 serves', null]);
  });

  it('that of the incumbent while a candidate starts', () => {
    const story = serving({ gates: ['notify'] });
    story.reload('cli');
    story.spawned();
    story.exited(1);
    assert.deepEqual(described(story), [
      'down',
      'nothing serves: generation 1 waits for its next start',
      100,
    ]);
  });

  it('stopping once a stop was requested, also if nothing serves', () => {
    const story = serving();
    story.exited(1);
    story.request('cli');
    story.tell({ type: 'stop', by: 'SIGTERM', now: false });
    assert.deepEqual(described(story), ['stopping', 'zero is stopping', null]);
  });
});

describe('a verdict reports that nothing serves', () => {
  it('also while the incumbent is being restarted', () => {
    const story = serving();
    story.exited(1);
    story.request('cli');
    story.pass(100);
    const failure = { step: 'config', reason: 'bad' };
    story.tell({ type: 'resolve_failed', handover: 2, failure });
    assert.deepEqual(story.verdict('cli')?.down, { retryIn: 0 });
  });
});
