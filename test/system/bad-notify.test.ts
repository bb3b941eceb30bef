import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { freeze } from '../support/freeze.ts';
import { account, requireRoot, sharedFolder } from '../support/privileges.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  type PuppetSections,
  type PuppetService,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const BY_MESSAGE: PuppetSections = { readiness: { notify: true, ready_fd: undefined } };

function notifySocket(puppet: Puppet): string {
  const entry = puppet.environment.map(String).find((text) => text.startsWith('NOTIFY_SOCKET='));
  return entry?.slice('NOTIFY_SOCKET='.length) ?? '';
}

function warnings(zero: Zero): string[] {
  return zero.log.all('warning', { about: 'notify' }).map(({ message }) => message);
}

interface Role {
  readonly role: string;
  /** A puppet in this role that becomes ready by a message. */
  readonly start: (scope: Scope) => Promise<{ service: PuppetService; puppet: Puppet }>;
}

const FIRST: Role = {
  role: 'a first generation',
  async start(scope) {
    const service = await startPuppetService(scope, BY_MESSAGE, { folder: sharedFolder(scope) });
    return { service, puppet: await service.puppets.next() };
  },
};

const CANDIDATE: Role = {
  role: 'a candidate',
  async start(scope) {
    const service = await startServing(scope, {}, { folder: sharedFolder(scope) });
    service.rewrite(BY_MESSAGE);
    service.reload();
    const puppet = await service.puppets.next();
    await assertUntouched(service, service.incumbent);
    return { service, puppet };
  },
};

/** Asserts that the later message still makes it ready. */
async function assertBecomesReady({ zero }: PuppetService, puppet: Puppet): Promise<void> {
  assert.deepEqual(zero.log.all('gate_passed', { generation: puppet.generation, gate: 'notify' }), []);
  await puppet.listen({ name: 'http' });
  await puppet.ready();
  await zero.fact('generation_promoted', { generation: puppet.generation });
  assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
}

const RUBBISH: readonly Buffer[] = [
  Buffer.from([0, 1, 2, 255, 254, 10, 0]),
  Buffer.from('READY'),
  Buffer.from('ready=1'),
  Buffer.from(' READY=1'),
  Buffer.from('READY=1\0'),
  Buffer.from('\n\n\n'),
  Buffer.concat([Buffer.from('READY=1\nSTATUS='), Buffer.alloc(5000, 'x')]),
  Buffer.alloc(100_000, '='),
  Buffer.from('READY=0\nREADY=yes\nREADY=\nMAINPID=\nMAINPID=-1\nMAINPID=x\nMAINPID=99999999999999999999'),
];

describe('an invalid message on NOTIFY_SOCKET', () => {
  for (const { role, start } of [FIRST, CANDIDATE]) {
    it(`of ${role} is ignored with one warning`, DEADLINE, async (t) => {
      const { service, puppet } = await start(t);
      for (const message of RUBBISH) await puppet.notify(message);
      for (let count = 0; count < 30; count += 1) await puppet.notify(Buffer.from([count, 0xff]));
      await assertBecomesReady(service, puppet);
      const [warning, ...more] = warnings(service.zero);
      assert.match(
        warning ?? '',
        /^notify socket .*: ignored a message that is not KEY=VALUE from pid \d+\. Further ones are ignored without a report$/,
      );
      assert.deepEqual(more, []);
      assert.equal(complaints(service.zero).length, 1);
    });
  }
});

describe('a message on NOTIFY_SOCKET from another user', () => {
  for (const { role, start } of [FIRST, CANDIDATE]) {
    it(`to ${role} is refused, and the user is reported`, DEADLINE, async (t) => {
      if (!requireRoot(t, 'to send as another user')) return;
      const { uid } = account('nobody');
      const { service, puppet } = await start(t);
      // The mode alone excludes other users. A service can change it, because it owns the socket.
      await assert.rejects(puppet.notify('READY=1', { uid }), /Permission denied/);
      chmodSync(notifySocket(puppet), 0o666);
      const pids = [
        await puppet.notify('READY=1', { uid }),
        await puppet.notify(`READY=1\nMAINPID=1`, { uid }),
      ];
      await assertBecomesReady(service, puppet);
      const [warning, ...more] = warnings(service.zero);
      assert.match(
        warning ?? '',
        new RegExp(
          `: refused a message from uid ${uid} \\(pid ${pids[0]}\\): only the user of the worker may send messages$`,
        ),
      );
      assert.deepEqual(more, []);
    });
  }

  it('that the worker does not run as is accepted from root and from zero itself', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start a service as another user')) return;
    const service = await startPuppetService(
      t,
      { ...BY_MESSAGE, runtime: { user: 'nobody', directory: '/' } },
      { folder: sharedFolder(t) },
    );
    const puppet = await service.puppets.next();
    assert.equal(puppet.announcement.uid, account('nobody').uid);
    await puppet.listen({ name: 'http' });
    await puppet.ready();
    await service.zero.fact('generation_promoted', { generation: 1 });
    assert.deepEqual(complaints(service.zero), []);
  });
});

describe('MAINPID', () => {
  for (const { role, start } of [FIRST, CANDIDATE]) {
    it(`of a successor that ${role} has started is followed`, DEADLINE, async (t) => {
      const { service, puppet } = await start(t);
      const { zero, puppets } = service;
      const { generation } = puppet;
      const pid = await puppet.successor();
      const successor = await puppets.next();
      assert.equal(successor.pid, pid);
      await puppet.notify(`MAINPID=${pid}`);
      await zero.fact('worker_pid_changed', { generation, from: puppet.pid, pid });
      await successor.listen({ fd: 3 });
      await successor.ready();
      await zero.fact('generation_promoted', { generation });
      await puppet.exit(0);
      await puppet.gone;
      assert.equal((await whoAnswers(await zero.address('http'))).pid, pid);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      await zero.fact('worker_exited', {
        generation,
        pid,
        expected: true,
        exit: { kind: 'exited', code: 0 },
      });
      assert.deepEqual(zero.log.all('worker_exited', { pid: puppet.pid }), []);
      assert.deepEqual(complaints(zero), []);
    });
  }

  for (const { role, start } of [FIRST, CANDIDATE]) {
    for (const session of ['same', 'new'] as const) {
      it(`sent right before ${role} exits is followed into the ${session} session`, DEADLINE, async (t) => {
        const { service, puppet } = await start(t);
        const { zero, puppets } = service;
        const { generation } = puppet;
        const pid = await puppet.successor([3], session);
        const successor = await puppets.next();
        // The datagram and the exit are both pending when zero continues.
        await freeze(zero);
        await puppet.notify(`MAINPID=${pid}`);
        await puppet.exit(0);
        await puppet.gone;
        zero.signal('SIGCONT');
        await zero.fact('worker_pid_changed', { generation, from: puppet.pid, pid });
        await successor.listen({ fd: 3 });
        await successor.ready();
        await zero.fact('generation_promoted', { generation });
        assert.equal((await whoAnswers(await zero.address('http'))).pid, pid);
        zero.signal('SIGTERM');
        assert.deepEqual(await zero.exited, { code: 0, signal: null });
        assert.deepEqual(zero.log.all('worker_exited', { pid: puppet.pid }), []);
        assert.deepEqual(zero.log.all('leftovers_killed'), []);
        assert.deepEqual(complaints(zero), []);
      });
    }
  }

  it('of a successor that crashes restarts the service', DEADLINE, async (t) => {
    const { service, puppet } = await FIRST.start(t);
    const { zero, puppets } = service;
    const pid = await puppet.successor([3], 'new');
    const successor = await puppets.next();
    await puppet.notify(`MAINPID=${pid}`);
    await zero.fact('worker_pid_changed', { pid });
    await puppet.exit(0);
    await puppet.gone;
    await successor.die('SIGKILL');
    await zero.fact('worker_exited', { pid, expected: false });
    const again = await puppets.next();
    assert.equal(again.announcement.ppid, zero.pid);
    await assertBecomesReady(service, again);
  });

  it('of a foreign process is refused', DEADLINE, async (t) => {
    const { service, puppet } = await CANDIDATE.start(t);
    const { zero, puppets } = service;
    const incumbent = puppets.all[0] ?? assert.fail('no incumbent');
    const foreign = [1, process.pid, zero.pid, incumbent.pid, 4_194_303];
    for (const pid of foreign) await puppet.notify(`MAINPID=${pid}`);
    await assertBecomesReady(service, puppet);
    assert.deepEqual(
      warnings(zero),
      foreign.map((pid) => `generation 2: MAINPID=${pid} is not a process of this service: ignored`),
    );
    assert.deepEqual(zero.log.all('worker_pid_changed'), []);
    assert.equal(puppets.all.length, 2);
  });
});
