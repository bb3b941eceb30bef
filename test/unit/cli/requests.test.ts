import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { history } from '../../../src/cli/history.ts';
import { logs } from '../../../src/cli/logs.ts';
import { abort, promote } from '../../../src/cli/promote.ts';
import { reload } from '../../../src/cli/reload.ts';
import { rollback } from '../../../src/cli/rollback.ts';
import { signal } from '../../../src/cli/signal.ts';
import { status } from '../../../src/cli/status.ts';
import { stop } from '../../../src/cli/stop.ts';
import type { CommandContext } from '../../../src/cli/with-instance.ts';
import { answerText, recordedExchanges, startFakeSupervisor } from '../../support/recorded-control.ts';
import { cliFixture } from './fixture.ts';

const name = 'example';

/** Each command without options, and the recorded exchange of the same command. */
const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<number>>> = {
  'status-serving': (context) => status({ name, json: false, watch: false }, context),
  'reload-promoted': (context) =>
    reload({ name, preview: false, replace: false, wait: true, json: false }, context),
  'rollback-promoted': (context) => rollback({ name, wait: true, json: false }, context),
  history: (context) => history({ name, json: false }, context),
  promote: (context) => promote({ name }, context),
  abort: (context) => abort({ name }, context),
  logs: (context) => logs({ name, follow: false, json: false, raw: false }, context),
  signal: (context) => signal({ name, signal: 'WINCH' }, context),
  stop: (context) => stop({ name, now: false }, context),
};

for (const exchange of recordedExchanges(1)) {
  const run = COMMANDS[exchange.name];
  if (run === undefined) continue;
  // An older supervisor refuses unknown fields, so later fields are omitted unless an option needs them.
  test(`a command without options sends only the fields of the first version: ${exchange.name}`, async (t) => {
    const at = cliFixture(t);
    mkdirSync(join(at.root, name));
    const requests = await startFakeSupervisor(
      t,
      join(at.root, name, 'control.sock'),
      answerText(exchange.answer),
    );
    assert.equal(await run(at.context), 0, at.err());
    const [head = '', body = ''] = requests[0]?.split('\r\n\r\n') ?? [];
    const { method, path } = exchange.request;
    assert.equal(head.split(' HTTP/1.1\r\n')[0], `${method} ${path}`);
    assert.equal(body, method === 'POST' ? exchange.request.body : '');
  });
}
