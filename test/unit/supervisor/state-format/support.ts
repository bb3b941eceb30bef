import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readState,
  type SavedState,
  type StateProblem,
} from '../../../../src/supervisor/state-format/read.ts';
import { ROOT } from '../../../support/paths.ts';

/** The owner of the recorded files. */
export const RECORDED = { instance: 'example', bootId: '0b0a7a3e-5f1c-4d2b-9c53-8a1f0e6d7b42' };

/** The supervisor of that instance. */
export const SUPERVISOR = {
  version: '0.1.0',
  instance: RECORDED.instance,
  bootId: RECORDED.bootId,
  configFile: null,
  pid: 10,
  startTime: 11,
  restarts: 0,
  upgrades: 0,
  firstStarted: 3,
};

const FOLDER = join(ROOT, 'test/fixtures/formats');

/** The formatter has split the files into several lines. */
const asWritten = (text: string): string => JSON.stringify(JSON.parse(text));

/** Every state file of this and earlier versions, by name. */
export const SAMPLES: ReadonlyMap<string, string> = new Map(
  readdirSync(FOLDER)
    .filter((name) => name.startsWith('state-'))
    .sort()
    .map((name) => [name, asWritten(readFileSync(join(FOLDER, name), 'utf8'))]),
);

export function sample(name: string): string {
  const text = SAMPLES.get(`state-${name}.json`);
  assert.ok(text, name);
  return text;
}

/** The state in a text of the recorded instance. */
export function stateIn(text: string): SavedState {
  const read = readState(text, RECORDED);
  return 'state' in read ? read.state : assert.fail(read.problem.message);
}

/** The reason why a text of the recorded instance cannot be used. */
export function problemIn(text: string): StateProblem {
  const read = readState(text, RECORDED);
  return 'problem' in read ? read.problem : assert.fail('it was read');
}
