import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { command } from '../support/command.ts';
import { nextReady, startServing } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

async function statusOf(scope: Scope, zero: Zero): Promise<StatusDocument> {
  const { code, stdout, stderr } = await command(scope, zero, 'status', '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

describe('zero status shows', () => {
  it('the CPU time and memory of each worker, and of the service', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    const before = await statusOf(t, zero);
    const [worker] = before.generations[0]?.workers ?? [];
    assert.ok(worker?.usage, 'no usage');
    // A started Node process has used some hundredths of a second and some megabytes.
    assert.ok(worker.usage.cpu_seconds > 0 && worker.usage.cpu_seconds < 60, `${worker.usage.cpu_seconds}`);
    assert.ok(worker.usage.memory_bytes > 20 * 2 ** 20, `${worker.usage.memory_bytes}`);
    assert.ok(worker.usage.interval_ms > 0);
    assert.deepEqual(before.usage, worker.usage);
    await incumbent.burn(500);
    const after = await statusOf(t, zero);
    const used = (after.usage?.cpu_seconds ?? 0) - worker.usage.cpu_seconds;
    assert.ok(used >= 0.45, `the worker burned 0.5 s, and ${used} s are shown`);
    assert.ok((after.usage?.cpu_percent ?? 0) > 0);
    const { stdout } = await command(t, zero, 'status');
    assert.match(stdout, /^CPU [\d.]+ % over the last [\dhms.]+ \([\dhms.]+ in total\), memory [\d.]+ MiB$/m);
    assert.match(stdout, /^ {2}worker 0 {2}up {2}pid \d+ {2}[\dhms.]+ {2}[\d.]+ % {2}[\d.]+ MiB$/m);
  });

  it('the number of restarts of a worker, and its last exit', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    const quiet = await statusOf(t, zero);
    assert.equal(quiet.generations[0]?.workers[0]?.last_exit, undefined);
    await incumbent.exit(7);
    await nextReady(puppets);
    const restarted = await statusOf(t, zero);
    const [worker] = restarted.generations[0]?.workers ?? [];
    assert.equal(worker?.restarts, 1);
    assert.deepEqual(worker?.last_exit?.exit, { kind: 'exited', code: 7 });
    assert.ok((worker?.last_exit?.ms_ago ?? -1) >= 0);
    const { stdout } = await command(t, zero, 'status');
    assert.match(stdout, /^ {4}1 restart, last exit [\dhms.]+ ago: exited with code 7$/m);
  });
});
