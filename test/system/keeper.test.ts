import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { processStat } from '../../src/linux/procfs.ts';
import { socketsOf } from '../../src/linux/socket-holder.ts';
import { command } from '../support/command.ts';
import { whenEnded } from '../support/process-end.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { listenQueues } from '../support/sockets.ts';
import { keeperPid, killSupervisor, startSurvivor } from '../support/survivor.ts';
import { DEADLINE } from '../support/zero.ts';

/** The inodes of the sockets that listen on the port of an address, in the kernel's order. */
const inodesOf = (address: string) =>
  listenQueues(Number(address.split(':').at(-1))).map(({ inode }) => inode);

describe('the keeper', () => {
  it(
    'holds every socket, has its name in ps and in the status, and ends with the service',
    DEADLINE,
    async (t) => {
      const { zero, incumbent } = await startSurvivor(t);
      const pid = await keeperPid(zero);
      const ended = whenEnded(pid);
      assert.equal(processStat(pid)?.comm, 'zero-keeper');
      const inodes = inodesOf(await zero.address('http'));
      const held = socketsOf(pid);
      assert.ok(inodes.every((inode) => held.includes(inode)));
      const { stdout } = await command(t, zero, 'status', '--json');
      assert.deepEqual(JSON.parse(stdout).keeper, { pid, sockets: inodes.length });
      const stop = await command(t, zero, 'stop');
      assert.equal(stop.code, 0, stop.stderr);
      await incumbent.gone;
      await ended;
      assert.deepEqual(
        readdirSync(join(zero.folder, 'run')).filter((name) => name.includes('keeper')),
        [],
      );
    },
  );

  it('is replaced when it is killed', DEADLINE, async (t) => {
    const { zero } = await startSurvivor(t);
    const first = await keeperPid(zero);
    const held = socketsOf(first);
    const { cursor } = zero;
    process.kill(first, 'SIGKILL');
    await zero.fact('keeper_lost', {}, cursor);
    const second = await zero.fact('keeper_started', {}, cursor);
    assert.deepEqual(socketsOf(second.pid).sort(), held.sort());
  });

  it('closes and changes no lane when the supervisor is killed next to a candidate', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero, puppets, incumbent } = service;
    await keeperPid(zero);
    const address = await zero.address('http');
    zero.signal('SIGHUP');
    // It never listens, so a connection in its lane would wait.
    const candidate = await puppets.next();
    const sockets = inodesOf(address);
    await killSupervisor(service);
    assert.deepEqual(inodesOf(address), sockets);
    const { generation, pid } = incumbent;
    for (let connection = 0; connection < 20; connection += 1)
      assert.deepEqual(await whoAnswers(address), { generation, pid });
    await candidate.gone;
  });
});
