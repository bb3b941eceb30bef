// The messages that a service manager receives on NOTIFY_SOCKET during an upgrade.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../src/linux/datagrams.ts';
import { closeFd } from '../../src/linux/sockets.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { becomeReady, createUpgraderIn, failsWith, replace, startProgram } from '../support/upgradable.ts';

const DEADLINE = { timeout: 60_000 };

describe('an upgrade', () => {
  it('notifies the service manager of the reload and of the new main process', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'notify');
    const fd = createDatagramSocket(path);
    t.after(() => closeFd(fd));
    const read = (): string | undefined => receiveDatagram(fd)?.data.toString();
    const program = await startProgram(t, { environment: { NOTIFY_SOCKET: path } });
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    assert.equal(read(), 'READY=1');
    const failed = await replace(program, first);
    failed.second.exit(1);
    await assert.rejects(failed.upgraded, failsWith('CHILD_EXITED'));
    assert.match(read() ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    assert.equal(read(), 'READY=1');
    const { upgraded, second } = await replace(program, first);
    await becomeReady(second);
    await upgraded;
    assert.match(read() ?? '', /^RELOADING=1/);
    // The new process sends it first, which a manager may ignore. Then the old one sends it.
    assert.deepEqual([read(), read(), read()], ['READY=1', `MAINPID=${second.pid}\nREADY=1`, undefined]);
  });

  it('warns if plain Node cannot reach the service manager', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'notify');
    const environment = { NOTIFY_SOCKET: path, ZERODOWN_PLATFORM: 'portable' };
    const program = await startProgram(t, { environment });
    const first = await program.next();
    await createUpgraderIn(first);
    await becomeReady(first);
    const { upgraded, second } = await replace(program, first);
    await becomeReady(second);
    await upgraded;
    const warning = `NOTIFY_SOCKET ${path} was not notified of READY=1: datagrams to Unix sockets need Linux`;
    assert.ok(program.output().includes(warning), program.output());
  });
});
