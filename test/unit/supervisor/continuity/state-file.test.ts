import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Effect } from '../../../../src/lifecycle/effects.ts';
import { initialState } from '../../../../src/lifecycle/state.ts';
import { StateFile } from '../../../../src/supervisor/continuity/state-file.ts';
import { isOnlyOnce } from '../../../../src/supervisor/continuity/state-recorder.ts';
import type { Vault } from '../../../../src/supervisor/keeper/vault.ts';
import type { Situation } from '../../../../src/supervisor/state-format/write.ts';

const KEY = { generation: 1, worker: 0, incarnation: 1 };

function situation(now: number, others: Partial<Situation> = {}): Situation {
  const processes = [{ key: KEY, pid: 20, startTime: 21, session: 20 }];
  return { state: initialState(now), processes, listeners: [], verifyOf: () => undefined, ...others };
}

/** A state file in a new directory, and the content of the vault. */
function open(t: TestContext) {
  const folder = mkdtempSync(path.join(tmpdir(), 'state-file-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const kept: { readonly text: string; readonly sequence: number }[] = [];
  const vault: Pick<Vault, 'writeState'> = {
    writeState: (text, sequence) => void kept.push({ text, sequence }),
  };
  const failures: unknown[] = [];
  const file = new StateFile({
    instance: { name: 'example', runtimeDirectory: path.join(folder, 'run'), dataDirectory: folder },
    version: '0.1.0',
    configFile: null,
    before: { sequence: 40, restarts: 2, upgrades: 1, firstStarted: 5 },
    vault: () => vault as Vault,
    failed: (error) => failures.push(error),
    recovered: () => {},
  });
  mkdirSync(path.join(folder, 'run'));
  const written = () => JSON.parse(readFileSync(file.file, 'utf8'));
  return { file, kept, failures, written, folder: path.join(folder, 'run') };
}

test('a state is written to the vault and to the file, and continues the numbers of the previous supervisor', (t) => {
  const { file, kept, written } = open(t);
  file.save(situation(1));
  file.save(situation(2));
  assert.deepEqual(
    kept.map(({ sequence }) => sequence),
    [41, 42],
  );
  assert.equal(kept[1]?.text, readFileSync(file.file, 'utf8'));
  const { sequence, supervisor, in_progress } = written();
  assert.equal(sequence, 42);
  assert.deepEqual(
    [supervisor.restarts, supervisor.upgrades, supervisor.first_started_monotonic_ms],
    [2, 1, 5],
  );
  assert.equal(in_progress, undefined);
});

test('pending effects are written ahead to the vault only', (t) => {
  const { file, kept, written } = open(t);
  file.save(situation(1));
  const spawn: Effect = { type: 'spawn', ...KEY, lane: 0, rescue: false, joins: false };
  const signal: Effect = { type: 'signal', ...KEY, pid: 20, signal: 'SIGTERM' };
  const effects: Effect[] = [spawn, { type: 'inspect_lanes' }, signal, { type: 'kill', ...KEY, pid: 20 }];
  file.ahead(() => situation(2, { inProgress: effects }));
  assert.deepEqual(JSON.parse(kept.at(-1)?.text ?? '').in_progress, [
    { effect: 'spawn', ...KEY },
    { effect: 'signal', ...KEY, signal: 'SIGTERM' },
    { effect: 'kill', ...KEY },
  ]);
  assert.equal(kept.at(-1)?.sequence, 42);
  assert.equal(written().sequence, 41);
  assert.deepEqual(effects.filter(isOnlyOnce), [spawn, signal, effects[3]]);
});

test('the vault has the newest state while the file cannot be written', (t) => {
  const { file, kept, failures, folder } = open(t);
  rmSync(folder, { recursive: true });
  file.save(situation(1));
  file.save(situation(2));
  file.ahead(() => situation(3));
  assert.equal(failures.length, 1, 'reported once');
  assert.deepEqual(
    kept.map(({ text }) => JSON.parse(text).recorded_monotonic_ms),
    [1, 2, 3],
  );
  mkdirSync(folder);
  chmodSync(folder, 0o700);
  file.retry();
  assert.equal(JSON.parse(readFileSync(file.file, 'utf8')).recorded_monotonic_ms, 2);
});

test('the text for another program replaces the file, and the newest state can be written again', (t) => {
  const { file, kept, failures, written, folder } = open(t);
  file.save(situation(1));
  file.replace('{"version":1}');
  assert.deepEqual(written(), { version: 1 });
  file.retry();
  assert.deepEqual([written().version, written().sequence, kept.length], [2, 42, 2]);
  rmSync(folder, { recursive: true });
  assert.throws(() => file.replace('{}'), { code: 'ENOENT' });
  assert.deepEqual(failures, []);
});
