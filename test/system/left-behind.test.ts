import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startServing } from '../support/puppet-service.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

/** Another zero with the same config and directories. */
async function warningOfNext(t: TestContext, { folder, config }: Zero): Promise<string> {
  assert.ok(config);
  const next = startZero(t, { folder, args: ['--config', config] });
  const { message } = await next.fact('warning', { about: 'state' });
  next.signal('SIGTERM');
  await next.exited;
  return message;
}

describe('a zero that starts after another one was killed', () => {
  it('names the processes that hold the addresses', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    zero.signal('SIGKILL');
    await zero.exited;
    const message = await warningOfNext(t, zero);
    assert.match(message, new RegExp(`^zero \\(pid ${zero.pid}\\) ended without stopping its service\\.`));
    assert.match(message, new RegExp(`kill ${incumbent.pid}$`));
  });

  it('says why a damaged state cannot be used', DEADLINE, async (t) => {
    const { zero } = await startServing(t);
    zero.signal('SIGKILL');
    await zero.exited;
    writeFileSync(join(zero.folder, 'run', 'state.json'), '{"version":2,"inst');
    const message = await warningOfNext(t, zero);
    assert.match(message, /state\.json: the file is incomplete or damaged: .* zero starts without it\.$/);
  });
});
