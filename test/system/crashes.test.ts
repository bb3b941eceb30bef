import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startCrashing } from '../support/crashing.ts';
import { httpGet } from '../support/http-get.ts';
import { openDescriptors } from '../support/open-files.ts';
import { DEADLINE } from '../support/zero.ts';

/** `npm run bench -- crashes` has 10,000 of them. */
const CRASHES = 300;

it(
  `a service that exits ${CRASHES} times in a row serves its waiting clients, and leaks neither descriptors nor history`,
  DEADLINE,
  async (t) => {
    const { zero, address, dataDirectory, crash } = await startCrashing(t);
    await httpGet(address, '/');
    await zero.fact('keeper_started');
    const history = () => readFileSync(join(dataDirectory, 'history.jsonl'), 'utf8');
    const before = { descriptors: openDescriptors(zero.pid).length, history: history() };
    const recovery = crash(CRASHES);
    await zero.fact('worker_restarting', { worker: 0, attempt: CRASHES - 20 });
    const waiting = httpGet(address, '/');
    await recovery;
    assert.equal((await waiting).status, 200);
    assert.deepEqual({ descriptors: openDescriptors(zero.pid).length, history: history() }, before);
    const exits = zero.log.all('worker_exited', { expected: false });
    assert.ok(exits.length >= CRASHES, `${exits.length} exits`);
    assert.deepEqual(zero.log.all('error'), []);

    const { cursor } = zero;
    zero.signal('SIGHUP');
    const { outcome } = await zero.fact('handover_finished', {}, cursor);
    assert.equal(outcome, 'promoted');
    assert.equal((await httpGet(address, '/')).status, 200);
  },
);
