import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fold } from '../../../../src/cli/render/columns.ts';
import { HandoverProgress } from '../../../../src/cli/render/handover-progress.ts';
import { Redraw } from '../../../../src/cli/render/redraw.ts';
import type { Size, Terminal } from '../../../../src/cli/render/style.ts';
import type { FactDocument } from '../../../../src/control/protocol.ts';
import { Screen } from '../../../support/screen.ts';

const starting = (workers: number): FactDocument => ({
  event: 'service_starting',
  generation: 2,
  path: '/bin/x',
  workers,
});
const passed = (worker: number): FactDocument => ({
  event: 'gate_passed',
  generation: 2,
  worker,
  gate: 'accept',
  after_ms: 12,
});

describe('the progress of a handover', () => {
  const tell = (progress: HandoverProgress, ...facts: FactDocument[]) =>
    facts.flatMap((fact) => progress.tell(fact, 0) ?? []);

  it('lists each gate of each worker if there are few', () => {
    const progress = new HandoverProgress();
    assert.deepEqual(tell(progress, starting(2), passed(0), passed(1)), [
      'generation 2 starts: /bin/x',
      'worker 0 of generation 2 passed gate accept after 12ms',
      'worker 1 of generation 2 passed gate accept after 12ms',
    ]);
    assert.equal(progress.current(0), 'generation 2 starts ...');
  });

  it('lists many gates in one line when the last one has passed', () => {
    const progress = new HandoverProgress();
    const workers = Array.from({ length: 64 }, (_, index) => index);
    const spawned = workers.map((worker) => ({
      event: 'worker_spawned',
      generation: 2,
      worker,
      pid: worker,
    }));
    const ready = workers.map((worker) => ({ event: 'worker_ready', generation: 2, worker, after_ms: 1500 }));
    assert.deepEqual(tell(progress, starting(64), ...spawned, ...workers.map(passed), ...ready), [
      'generation 2 starts: /bin/x',
      'all 64 workers of generation 2 spawned',
      'all 64 workers of generation 2 passed gate accept after 12ms',
      'all 64 workers of generation 2 ready after 1.5s',
    ]);
  });

  it('counts down the remaining time of a step', () => {
    const progress = new HandoverProgress();
    const step = { event: 'handover_step', step: 'canary', percent: 5, lasts_ms: 30_000 };
    assert.equal(progress.tell(step, 1000), 'canary 5 % for 30s');
    assert.equal(progress.current(1000), 'canary 5 %, 30s left');
    assert.equal(progress.current(30_500), 'canary 5 %, 1s left');
    assert.equal(progress.current(40_000), 'canary 5 %, 0s left');
  });

  it('shows that the verdict of a promotion waits for the old generation', () => {
    const progress = new HandoverProgress();
    const promoted = (previous: number | null): FactDocument => ({
      event: 'generation_promoted',
      generation: 2,
      previous,
    });
    const finished = (outcome: string): FactDocument => ({
      event: 'handover_finished',
      handover: 2,
      outcome,
    });
    tell(progress, promoted(1), finished('promoted'));
    assert.equal(progress.current(0), 'waiting until generation 1 has been asked to stop ...');
    tell(progress, { event: 'worker_signalled', generation: 3, worker: 0 });
    assert.equal(progress.current(0), 'waiting until generation 1 has been asked to stop ...');
    tell(progress, { event: 'worker_signalled', generation: 1, worker: 0 });
    assert.equal(progress.current(0), '...');
    tell(progress, promoted(null), finished('promoted'));
    assert.equal(progress.current(0), '...');
    // Without steering the old generation is asked to stop before the handover has finished.
    tell(
      progress,
      promoted(1),
      { event: 'worker_signalled', generation: 1, worker: 0 },
      finished('promoted'),
    );
    assert.equal(progress.current(0), '...');
    tell(progress, promoted(1), finished('rolled_back'));
    assert.equal(progress.current(0), '...');
  });

  it('reports how a preview ends', () => {
    const step = { event: 'handover_step', step: 'preview', percent: null, lasts_ms: 3_600_000 };
    assert.equal(
      new HandoverProgress().tell(step, 0),
      'preview for 1h at most: continue with "zero promote", return with "zero abort"',
    );
  });
});

describe('wrapped text', () => {
  it('breaks between words', () => {
    assert.deepEqual(fold('one two three', 8, '  '), ['one two', '  three']);
    assert.deepEqual(fold('short', 8, ''), ['short']);
  });

  it('counts characters of two columns and of none', () => {
    assert.deepEqual(fold('\u6f22\u5b57\u6f22\u5b57', 5, ''), ['\u6f22\u5b57', '\u6f22\u5b57']);
    assert.deepEqual(fold('e\u0301e\u0301e\u0301', 3, ''), ['e\u0301e\u0301e\u0301']);
  });

  it('breaks within a word that is too long', () => {
    assert.deepEqual(fold('x'.repeat(20), 8, '  '), ['xxxxxxxx', '  xxxxxx', '  xxxxxx']);
  });
});

describe('drawing in place', () => {
  function screenOf(size: Size) {
    const screen = new Screen(size);
    const now = { size };
    const out = (text: string | Uint8Array) => screen.write(String(text).replaceAll('\n', '\r\n'));
    const terminal = { out, size: () => now.size } as unknown as Terminal;
    const resize = (next: Size) => {
      now.size = next;
      screen.resize(next);
    };
    return { screen, resize, redraw: new Redraw(terminal, 'zero status') };
  }

  it('erases the previous frame completely', () => {
    const { screen, redraw } = screenOf({ columns: 20, rows: 10 });
    redraw.draw(['one', 'two', 'three']);
    redraw.draw(['1', 'two']);
    assert.deepEqual(screen.window, ['1', 'two', '']);
  });

  it('is never longer or wider than the terminal', () => {
    const { screen, redraw } = screenOf({ columns: 10, rows: 4 });
    const lines = Array.from({ length: 9 }, (_, index) => `\u001b[1m${index}\u001b[0m ${'x'.repeat(30)}`);
    redraw.draw(lines);
    redraw.draw(lines);
    assert.deepEqual(screen.wrapped, []);
    assert.deepEqual(screen.text.split('\n'), ['0 xxxxxxxx', '1 xxxxxxxx', '... 7 more', '']);
  });

  it('starts again when the terminal changes its size', () => {
    const { screen, resize, redraw } = screenOf({ columns: 20, rows: 10 });
    redraw.draw(['one', 'two']);
    resize({ columns: 10, rows: 4 });
    redraw.draw(['three']);
    assert.deepEqual(screen.window, ['three', '']);
  });
});
