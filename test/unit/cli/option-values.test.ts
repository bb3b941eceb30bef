import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logs } from '../../../src/cli/logs.ts';
import { reload } from '../../../src/cli/reload.ts';
import { rollback } from '../../../src/cli/rollback.ts';
import { scale } from '../../../src/cli/scale.ts';
import { signal } from '../../../src/cli/signal.ts';
import { upgrade } from '../../../src/cli/upgrade.ts';
import { wait } from '../../../src/cli/wait.ts';
import type { CommandContext } from '../../../src/cli/with-instance.ts';
import { cliFixture } from './fixture.ts';

const name = 'missing';
const RELOAD = { name, preview: false, replace: false, wait: true, json: false };
const LOGS = { name, follow: false, json: false, raw: false };

/** A wrong value of an option of each command, and a part of the message. */
const WRONG: readonly [wrong: string, run: (context: CommandContext) => Promise<number>, message: RegExp][] =
  [
    ['reload --timeout', (context) => reload({ ...RELOAD, timeout: 'soon' }, context), /--timeout/],
    ['reload --label', (context) => reload({ ...RELOAD, label: '\n' }, context), /--label/],
    ['rollback --to', (context) => rollback({ name, to: '0', wait: true, json: false }, context), /--to 0/],
    ['scale', (context) => scale({ name, workers: '0', json: false }, context), /must be a whole number/],
    ['wait', (context) => wait({ name, handover: 'last', json: false }, context), /unknown handover last/],
    ['signal', (context) => signal({ name, signal: 'NOPE' }, context), /unknown signal "NOPE"/],
    ['upgrade --timeout', (context) => upgrade({ name, timeout: '0' }, context), /--timeout/],
    ['logs -n', (context) => logs({ ...LOGS, lines: 'all' }, context), /-n .*all/],
    ['logs --since', (context) => logs({ ...LOGS, since: 'x' }, context), /--since/],
  ];

for (const [wrong, run, message] of WRONG) {
  test(`a wrong value is a usage error, also if the instance is not running: ${wrong}`, async (t) => {
    const at = cliFixture(t);
    assert.equal(await run(at.context), 2);
    assert.match(at.err(), message);
  });
}
