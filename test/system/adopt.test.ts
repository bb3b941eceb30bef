import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  type Adoptable,
  adopt,
  compiled,
  configFor,
  gunicorn,
  nginx,
  node,
  startClients,
} from '../support/adoption.ts';
import { command } from '../support/command.ts';
import { freeAddress } from '../support/free-address.ts';
import { isRunning } from '../support/processes.ts';
import { startByHand } from '../support/running-service.ts';
import { DEADLINE } from '../support/zero.ts';

const PROGRAMS: Readonly<Record<string, typeof node>> = {
  'a Node server': node,
  'a C server': compiled,
  gunicorn,
  nginx,
};

describe('zero adopt', () => {
  for (const [title, make] of Object.entries(PROGRAMS)) {
    it(
      `takes over ${title}, reloads it, rolls back in the soak and loses no request`,
      DEADLINE,
      async (t) => {
        const address = await freeAddress();
        const program = make(t, address);
        if (program !== null) await adoptUnderLoad(t, program, address);
      },
    );
  }
});

async function adoptUnderLoad(t: TestContext, program: Adoptable, address: string): Promise<void> {
  const running = await startByHand(t, program.command, address, program);
  const clients = startClients(t, address, program);
  await clients.proceed('before');
  const zero = await adopt(t, running.pid, configFor(program));
  await clients.proceed('adopted');
  const reload = async () => {
    const { cursor } = zero;
    zero.signal('SIGHUP');
    const { generation } = await zero.fact('handover_step', { step: 'soak' }, cursor);
    await clients.proceed(`generation ${generation}`);
  };
  await reload();
  const back = await command(t, zero, 'abort');
  assert.equal(back.code, 0, back.stderr);
  await clients.proceed('rolled back');
  assert.ok(isRunning(running.known), 'the adopted process was stopped by a rollback');
  await zero.fact('generation_gone', { generation: 2 });
  await reload();
  const promote = await command(t, zero, 'promote');
  assert.equal(promote.code, 0, promote.stderr);
  await running.exited;
  await zero.fact('generation_gone', { generation: 1 });
  await clients.proceed('after');
  const answered = await clients.end();
  assert.ok(answered.includes('0') && answered.length > 1, `answered: ${answered}`);
  const stop = await command(t, zero, 'stop');
  assert.equal(stop.code, 0, stop.stderr);
  assert.deepEqual(zero.log.all('error'), []);
}
