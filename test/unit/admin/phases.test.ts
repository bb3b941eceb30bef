import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Passed, PhaseClock } from '../../../src/admin/phases.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { facts } from '../telemetry/facts.ts';

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
