import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { test } from 'node:test';
import { openPipe } from '../../../src/linux/pipes.ts';
import { sessionUsage } from '../../../src/linux/session-usage.ts';
import { sessionMembers } from '../../support/processes.ts';
import { sendSignal } from '../../support/send-signal.ts';
import { ended, readable, startShell } from './support.ts';

test('what all processes of a session use, children that are gone included', async () => {
  const { read, write } = openPipe();
  // The child that is waited for burns two tenths of a second; another one stays.
  const burn = 'perl -e "1 while times < 0.2"';
  const pid = startShell(`${burn}; sleep 600 & echo ready >&5; wait`, new Map([[5, write]]));
  await readable(read);
  readSync(read, Buffer.alloc(10));
  const found = await sessionUsage(new Set([pid]));
  assert.deepEqual([...found.keys()], [pid]);
  const usage = found.get(pid);
  assert.ok(usage);
  assert.ok(usage.cpuSeconds >= 0.2 && usage.cpuSeconds < 5, `${usage.cpuSeconds}`);
  assert.ok(usage.residentBytes > 500_000 && usage.residentBytes < 100_000_000, `${usage.residentBytes}`);
  for (const one of sessionMembers(pid)) sendSignal(one, 'SIGKILL');
  await ended(pid);
});

test('a session that is not there', async () => {
  assert.equal((await sessionUsage(new Set([2 ** 22 + 1]))).size, 0);
  assert.equal((await sessionUsage(new Set())).size, 0);
});
