import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Passed, PhaseClock } from '../../../src/admin/phases.ts';
import { shareOf, unready } from '../../../src/admin/source.ts';
import { isOwnHost } from '../../../src/http/hosts.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { facts } from '../telemetry/facts.ts';
import { CANARY, DOWN, statusWith } from './status.ts';

describe('an instance is ready', () => {
  it('when at least one worker serves', () => {
    assert.equal(unready(statusWith()), null);
    assert.equal(unready(CANARY), null);
    assert.equal(unready(statusWith({ service: { ...DOWN, state: 'degraded', workers_serving: 1 } })), null);
  });

  it('not otherwise, and the reason is reported', () => {
    for (const [state, summary] of [
      ['stopping', 'zero is stopping'],
      ['starting', 'generation 1 does not serve yet: it is starting'],
      ['down', 'nothing serves: generation 1 waits for its next start'],
    ] as const)
      assert.equal(unready(statusWith({ service: { ...DOWN, state, summary } })), summary);
  });
});

describe('the share of new connections', () => {
  const sharesOf = ({ generations, steering }: typeof CANARY) =>
    generations.map((one) => (steering === null ? null : shareOf(one, steering)));

  it("is 100 % without a canary, else the rest of the canary's share", () => {
    assert.deepEqual(sharesOf(statusWith()), [1]);
    assert.deepEqual(sharesOf(CANARY), [0.8, 0.2]);
    assert.deepEqual(sharesOf({ ...CANARY, steering: { main: [1], canary: null, preview: null } }), [0, 1]);
  });
});

describe('the Host header', () => {
  it('may be a name of this machine', () => {
    const own = ['localhost', 'LOCALHOST:9640', 'zero.localhost', 'localhost.', '127.0.0.1', '127.1.2.3:80'];
    for (const host of [...own, '[::1]', '[::1]:9640', 'node7:9640', undefined]) {
      assert.equal(isOwnHost(host, 'node7'), true, host);
    }
    assert.equal(isOwnHost('[fd00::7]:1', 'fd00::7'), true);
  });

  it('may not be any other name', () => {
    const strange = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '[::2]',
      '',
    ];
    for (const host of [...strange, 'user@localhost', 'localhost:x', 'localhost/', '0.0.0.0', 'node8']) {
      assert.equal(isOwnHost(host, 'node7'), false, host);
    }
    assert.equal(isOwnHost('', ''), false);
  });
});

describe('the phases of a handover', () => {
  function run(...taken: readonly (readonly [at: number, fact: Fact])[]): Passed[] {
    const clock = new PhaseClock();
    return taken.map(([at, fact]) => clock.take(fact, at)).filter((passed) => passed !== null);
  }
  const step = (name: string): Fact => ({ ...facts.handover_step, step: name });

  it('are measured one by one, with all canary steps as one phase', () => {
    const passed = run(
      [1000, facts.handover_started],
      [1100, step('waiting')],
      [2100, facts.service_starting],
      [2200, facts.worker_ready],
      [5100, step('preview')],
      [6100, step('canary')],
      [7100, step('canary')],
      [8100, step('soak')],
      [9100, facts.handover_finished],
      [9200, { ...facts.generation_gone, retiredFor: 500 }],
    );
    assert.deepEqual(passed, [
      { phase: 'resolving', seconds: 0.1 },
      { phase: 'waiting', seconds: 1 },
      { phase: 'starting', seconds: 3 },
      { phase: 'preview', seconds: 1 },
      { phase: 'canary', seconds: 2 },
      { phase: 'soak', seconds: 1 },
      { phase: 'retiring', seconds: 0.5 },
    ]);
  });

  it('are omitted if their start was not observed', () => {
    assert.deepEqual(run([1, step('canary')], [2, facts.handover_finished]), []);
    assert.deepEqual(run([1, { ...facts.generation_gone, retiredFor: null }]), []);
  });

  it('start again with the next handover', () => {
    const again = run(
      [0, facts.handover_started],
      [1000, facts.handover_finished],
      [5000, facts.handover_started],
      [7000, facts.service_starting],
    );
    assert.deepEqual(again, [
      { phase: 'resolving', seconds: 1 },
      { phase: 'resolving', seconds: 2 },
    ]);
  });
});
