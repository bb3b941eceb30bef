import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { assertUntouched, nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { DEADLINE, type ZeroOptions } from '../support/zero.ts';

/** Limits a process to its current address space: posix_spawn(3) cannot map a stack for the child. */
function withholdMemory(pid: number): void {
  const kilobytes = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  limitMemory(pid, String(Number(kilobytes) * 1024));
}

function limitMemory(pid: number, soft: string): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--as=${soft}:`]);
}

/**
 * V8 reserves its memory at the start: without more memory it would end the process, and this test is about processes
 * that zero starts. V8's compiler uses malloc(3) (mallopt(3)), and machine code would need pages of its own.
 */
const [NODE, ZERO] = ZERO_COMMAND;
const ROOMY: ZeroOptions = {
  command: [
    NODE,
    '--min-semi-space-size=64',
    '--initial-old-space-size=256',
    '--no-memory-reducer',
    '--jitless',
    '--expose-gc',
    `--require=${fixture('room-in-heap.cjs')}`,
    ZERO,
  ],
  environment: { MALLOC_TOP_PAD_: String(64 << 20), MALLOC_MMAP_THRESHOLD_: String(32 << 20) },
};

describe('when the kernel has no memory for another process (ENOMEM)', () => {
  it('a handover is rolled back with one error, and the next one succeeds', DEADLINE, async (t) => {
    const service = await startServing(t, {}, ROOMY);
    const { zero, puppets, incumbent } = service;
    await zero.fact('keeper_started');
    const from = zero.cursor;
    withholdMemory(zero.pid);
    service.reload();
    const { outcome, failure } = await zero.fact('handover_finished', { handover: 2 });
    limitMemory(zero.pid, 'unlimited');
    assert.deepEqual([outcome, failure?.step, failure?.generation], ['rolled_back', 'spawn', 2]);
    assert.match(failure?.reason ?? '', /ENOMEM/);
    assert.equal(complaints(zero, ['error'], from).length, 1);
    await assertUntouched(service, incumbent);

    const next = service.reload();
    const candidate = await nextReady(puppets);
    await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    await incumbent.gone;
    assert.deepEqual(complaints(zero, ['warn', 'error'], next), []);
    assert.equal((await whoAnswers(await zero.address('http'))).pid, candidate.pid);
  });

  it('a crashed worker is restarted once there is memory', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t, {}, ROOMY);
    await zero.fact('keeper_started');
    withholdMemory(zero.pid);
    await incumbent.exit(1);
    const { step, reason } = await zero.fact('worker_spawn_failed', { worker: 0 });
    assert.deepEqual([step, /ENOMEM/.test(reason)], ['spawn', true], reason);
    const waiting = whoAnswers(await zero.address('http'));
    limitMemory(zero.pid, 'unlimited');
    const second = await nextReady(puppets);
    assert.deepEqual(await waiting, { generation: 1, pid: second.pid });
  });
});
