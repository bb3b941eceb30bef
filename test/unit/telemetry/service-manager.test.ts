import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../../src/linux/datagrams.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { ServiceManager } from '../../../src/telemetry/service-manager.ts';
import { facts } from './facts.ts';

test('a service manager hears that a generation serves, that another one does, and that zero stops', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zero-manager-'));
  const socket = join(folder, 'notify');
  const fd = createDatagramSocket(socket);
  t.after(() => {
    closeFd(fd);
    rmSync(folder, { recursive: true });
  });
  const manager = new ServiceManager({ socket, warn: (message) => assert.fail(message) });
  manager.report(facts.generation_promoted);
  for (const fact of [facts.handover_finished, facts.generation_rolled_back, facts.stop_requested])
    manager.report(fact);
  const heard: string[] = [];
  for (let next = receiveDatagram(fd); next; next = receiveDatagram(fd)) heard.push(next.data.toString());
  assert.deepEqual(heard, [
    `READY=1\nSTATUS=generation ${facts.generation_promoted.generation} serves`,
    `STATUS=generation ${facts.generation_rolled_back.incumbent} serves`,
    'STOPPING=1\nSTATUS=stopping',
  ]);
});

test('one that is not there is told of once', () => {
  const warnings: string[] = [];
  const manager = new ServiceManager({
    socket: '/no/such/socket',
    warn: (message) => void warnings.push(message),
  });
  manager.report(facts.generation_promoted);
  manager.report(facts.stop_requested);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /^tell the service manager at \/no\/such\/socket: .*ENOENT/);
});
