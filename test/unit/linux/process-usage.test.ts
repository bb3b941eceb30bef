import assert from 'node:assert/strict';
import { readSync } from 'node:fs';
import { test } from 'node:test';
import { openPipe } from '../../../src/linux/pipes.ts';
import { processUsage } from '../../../src/linux/process-usage.ts';
import { sessionMembers } from '../../support/processes.ts';
import { sendSignal } from '../../support/send-signal.ts';
import { ended, readable, startShell } from './support.ts';

test('the usage of a session includes all its processes and exited children', async () => {
  const { read, write } = openPipe();
  // The reaped child uses two tenths of a second of CPU time. Another child keeps running.
  const burn = 'perl -e "1 while times < 0.2"';
  const pid = startShell(`${burn}; sleep 600 & echo ready >&5; wait`, new Map([[5, write]]));
  await readable(read);
  readSync(read, Buffer.alloc(10));
  const worker = { pid, session: pid, relatives: [] };
  const found = await processUsage([worker]);
  assert.deepEqual([...found.keys()], [worker]);
  const usage = found.get(worker);
  assert.ok(usage);
  assert.ok(usage.cpuSeconds >= 0.2 && usage.cpuSeconds < 5, `${usage.cpuSeconds}`);
  assert.ok(usage.residentBytes > 500_000 && usage.residentBytes < 100_000_000, `${usage.residentBytes}`);
  for (const one of sessionMembers(pid)) sendSignal(one, 'SIGKILL');
  await ended(pid);
});

test('an unknown session has no usage', async () => {
  const pid = 2 ** 22 + 1;
  assert.equal((await processUsage([{ pid, session: pid, relatives: [] }])).size, 0);
  assert.equal((await processUsage([])).size, 0);
});

test('the usage of a process without a session includes its relatives', async () => {
  const { read, write } = openPipe();
  // The child writes its pid itself: between fork and exec a process has next to no memory.
  const pid = startShell("sh -c 'echo $$ >&5; kill -STOP $$' & wait", new Map([[5, write]]));
  await readable(read);
  const text = Buffer.alloc(10);
  const child = Number(text.toString('latin1', 0, readSync(read, text)));
  // As for an adopted process: its pid is not the number of a session.
  const session = 2 ** 22 + 1;
  const [alone, both] = [
    { pid, session, relatives: [] },
    { pid, session, relatives: [child] },
  ];
  const one = (await processUsage([alone])).get(alone)?.residentBytes ?? 0;
  const two = (await processUsage([both])).get(both)?.residentBytes ?? 0;
  assert.ok(one > 100_000 && two > one + 100_000, `${one} ${two}`);
  for (const member of sessionMembers(pid)) sendSignal(member, 'SIGKILL');
  await ended(pid);
});
