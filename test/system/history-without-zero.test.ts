import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../support/command.ts';
import { startTwice } from '../support/deployed.ts';
import { reversed, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

describe('zero history while zero is not running', () => {
  for (const how of ['SIGTERM', 'SIGKILL'] as const) {
    it(`shows the same as before, after ${how}`, DEADLINE, async (test) => {
      const t = reversed(test);
      const { zero } = await startTwice(t);
      const before = JSON.parse((await command(t, zero, 'history', '--json')).stdout);
      process.kill(zero.pid, how);
      await zero.exited;
      const { code, stdout, stderr } = await command(t, zero, 'history', '--json');
      assert.deepEqual([code, stderr], [0, '']);
      const after = JSON.parse(stdout);
      // Nothing serves any more. The end of the last generation is known only if zero could write it.
      const lasting = ({ serving: _, served_ms: __, ...generation }: Record<string, unknown>) => generation;
      assert.deepEqual(after.generations.map(lasting), before.generations.map(lasting));
      assert.deepEqual(after.handovers, before.handovers);
      assert.ok(after.generations.every(({ serving }: { serving: boolean }) => !serving));
      const text = await command(t, zero, 'history');
      assert.equal(text.code, 0);
      assert.match(text.stdout, /^GEN {2}STARTED/);
      assert.match(text.stdout, /^ {2}2 .* promoted /m);
      assert.match(text.stderr, /^zero is not running; read from .*history\.jsonl\n$/);
    });
  }

  it('finds the instance by ./zero.yaml, $ZERO_CONFIG and --name', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, folder } = await startTwice(t);
    assert.ok(zero.config);
    zero.signal('SIGTERM');
    await zero.exited;
    const named = await runZero(t, {
      folder: temporaryFolder(t),
      args: ['history', '--json'],
      environment: { ZERO_CONFIG: zero.config },
    });
    assert.deepEqual([named.code, JSON.parse(named.stdout).generations.length], [0, 2]);
    const unknown = await runZero(t, { folder, args: ['history', '--name', 'another', '--json'] });
    assert.deepEqual([unknown.code, JSON.parse(unknown.stdout).error.code], [3, 'no_instance']);
  });

  it('exits with 3 if the instance never ran', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const application = { runtime_directory: join(folder, 'run'), data_directory: join(folder, 'data') };
    const config = writeConfig(folder, { application, service: { runtime: { path: '/bin/true' } } });
    const { code, stdout, stderr } = await command(t, { config }, 'history');
    assert.deepEqual([code, stdout], [3, '']);
    assert.match(stderr, /^zero history: /);
  });

  it('exits with 1 if this user may not read the file', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, folder } = await startTwice(t);
    zero.signal('SIGTERM');
    await zero.exited;
    if (process.geteuid?.() === 0) return;
    const { stdout } = await command(t, zero, 'history');
    assert.notEqual(stdout, '');
    chmodSync(join(folder, 'data', 'history.jsonl'), 0o000);
    const { code, stderr } = await command(t, zero, 'history');
    assert.equal(code, 1);
    assert.match(
      stderr,
      /cannot read the history .*EACCES.* Run this as the user of that instance or as root\./,
    );
  });
});

describe('zero logs while zero is not running', () => {
  it('exits with 3 and reports that', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero } = await startTwice(t);
    zero.signal('SIGTERM');
    await zero.exited;
    const { code, stdout, stderr } = await command(t, zero, 'logs');
    assert.deepEqual([code, stdout], [3, '']);
    assert.match(stderr, /^zero logs: no instance that was started from .* is running\./);
  });
});
