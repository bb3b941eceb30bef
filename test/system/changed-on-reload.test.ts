import assert from 'node:assert/strict';
import { mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HttpConnection } from '../support/http-connection.ts';
import { fixture } from '../support/paths.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetSections,
  type PuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { parseTarget } from '../support/target.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const HTTP = { name: 'http', address: '127.0.0.1:0' };
const ADMIN = { name: 'admin', address: '127.0.0.1:0' };

/** Hands over to a generation with the changed config. */
async function handOver(
  service: PuppetService,
  sections: PuppetSections,
  names: readonly string[],
): Promise<Puppet> {
  service.rewrite(sections);
  const from = service.reload();
  const puppet = await nextReady(service.puppets, names);
  await service.zero.fact('handover_finished', { outcome: 'promoted' }, from);
  return puppet;
}

/** The result of a connection attempt: null, or the name of the error. */
function attempt(address: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ ...parseTarget(address) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(null);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

function variable(puppet: Puppet, name: string): string | undefined {
  const entry = puppet.environment.map(String).find((text) => text.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}

describe('a listener that a reload', () => {
  it('adds is bound before the candidate starts, and passed to it', DEADLINE, async (t) => {
    const service = await startServing(t, { listeners: [HTTP] });
    const { zero } = service;
    const puppet = await handOver(service, { listeners: [HTTP, ADMIN] }, ['http', 'admin']);
    assert.equal(variable(puppet, 'LISTEN_FDNAMES'), 'http:admin');
    const bound = zero.log.facts.findIndex(
      (fact) => fact.event === 'listener_bound' && fact.listener === 'admin',
    );
    const started = zero.log.facts.findIndex(
      (fact) => fact.event === 'service_starting' && fact.generation === 2,
    );
    assert.ok(bound >= 0 && bound < started);
    for (const name of ['http', 'admin'])
      assert.equal((await whoAnswers(await zero.address(name))).generation, 2);
    assert.equal(zero.log.all('listener_bound').length, 2);
  });

  it('removes is closed after the last generation that holds it has exited', DEADLINE, async (t) => {
    const service = await startServing(t, {
      listeners: [HTTP, ADMIN],
      environment: { DRAIN_MS: '60000' },
    });
    const { zero, incumbent } = service;
    const address = await zero.address('admin');
    const held = new HttpConnection(parseTarget(await zero.address('http')));
    t.after(() => held.close());
    assert.equal((await held.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 10_000)).kind, 'answered');
    await handOver(service, { listeners: [HTTP] }, ['http']);
    await incumbent.event('signal', { signal: 'SIGTERM' });
    assert.equal(await attempt(address), null);
    assert.deepEqual(zero.log.all('listener_closed'), []);
    held.close();
    await zero.fact('generation_gone', { generation: 1 });
    await zero.fact('listener_closed', { listener: 'admin', address });
    assert.equal(await attempt(address), 'ECONNREFUSED');
    assert.equal((await whoAnswers(await zero.address('http'))).generation, 2);
  });

  it('adds is closed again when the candidate is rolled back', DEADLINE, async (t) => {
    const service = await startServing(t, { listeners: [HTTP] });
    const { zero, puppets, incumbent } = service;
    service.rewrite({ listeners: [HTTP, ADMIN] });
    service.reload();
    const candidate = await puppets.next();
    const address = await zero.address('admin');
    assert.equal(await attempt(address), null);
    await candidate.exit(1);
    await zero.fact('handover_finished', { outcome: 'rolled_back' });
    await zero.fact('listener_closed', { listener: 'admin', address });
    assert.equal(await attempt(address), 'ECONNREFUSED');
    await assertUntouched(service, incumbent);
  });

  it('renames or renumbers keeps its socket', DEADLINE, async (t) => {
    const address = `unix:${join(temporaryFolder(t), 'sock')}`;
    const service = await startServing(t, { listeners: [{ name: 'http', address }] });
    const { zero, puppets } = service;
    service.rewrite({ listeners: [{ name: 'web', address, socket_fd: 5 }] });
    service.reload();
    const candidate = await puppets.next();
    assert.match(candidate.announcement.fds['5'] ?? '', /^socket:/);
    assert.equal(candidate.announcement.fds['5'], service.incumbent.announcement.fds['3']);
    assert.deepEqual(JSON.parse(variable(candidate, 'ZERO_LISTENERS') ?? ''), [
      { name: 'web', fd: 5, address: address.slice('unix:'.length) },
    ]);
    await candidate.listen({ fd: 5 });
    await candidate.write(10, '\n');
    await zero.fact('generation_gone', { generation: 1 });
    assert.equal((await whoAnswers(address)).generation, 2);
    assert.equal(zero.log.all('listener_bound').length, 1);
    assert.deepEqual(zero.log.all('listener_closed'), []);
  });

  it('changes in its options is changed, and restored by a rollback', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'sock');
    const listener = { name: 'http', address: `unix:${path}` };
    const service = await startServing(t, { listeners: [{ ...listener, mode: '0600' }] });
    const { zero, puppets } = service;
    const { ino, mode } = statSync(path);
    assert.equal(mode & 0o777, 0o600);
    service.rewrite({ listeners: [{ ...listener, mode: '0666' }] });
    service.reload();
    await (await puppets.next()).exit(1);
    await zero.fact('handover_finished', { outcome: 'rolled_back' });
    await zero.fact('generation_gone', { generation: 2 });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await handOver(service, { listeners: [{ ...listener, mode: '0666' }] }, ['http']);
    assert.equal(statSync(path).mode & 0o777, 0o666);
    assert.equal(statSync(path).ino, ino);
    assert.equal(zero.log.all('listener_bound').length, 1);
  });

  it('moves to another address is bound there, and closed at the old one', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const [here, there] = [`unix:${join(folder, 'here')}`, `unix:${join(folder, 'there')}`];
    const service = await startServing(t, { listeners: [{ name: 'http', address: here }] });
    await handOver(service, { listeners: [{ name: 'http', address: there }] }, ['http']);
    await service.zero.fact('generation_gone', { generation: 1 });
    assert.equal((await whoAnswers(there)).generation, 2);
    assert.equal(await attempt(here), 'ENOENT');
  });

  it(
    'adds and cannot bind ends the handover, and the other added listeners are closed',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { listeners: [HTTP] });
      const { zero, incumbent } = service;
      const taken = { name: 'taken', address: service.puppets.environment.PUPPET_SOCKET };
      const extra = { name: 'extra', address: `unix:${join(temporaryFolder(t), 'extra')}` };
      service.rewrite({ listeners: [HTTP, extra, { ...taken, address: `unix:${taken.address}` }] });
      service.reload();
      const { outcome, failure } = await zero.fact('handover_finished', { handover: 2 });
      assert.equal(outcome, 'failed');
      assert.equal(failure?.step, 'listener.taken');
      assert.match(failure.reason, new RegExp(`bind unix ${taken.address}: .*pid ${process.pid}`));
      assert.equal(await attempt(extra.address), 'ENOENT');
      assert.equal(zero.log.all('worker_spawned').length, 1);
      await assertUntouched(service, incumbent);
    },
  );

  it('changes in an option that is fixed at the bind is refused', DEADLINE, async (t) => {
    const service = await startServing(t, { listeners: [HTTP] });
    service.rewrite({ listeners: [{ ...HTTP, options: { free_bind: true } }] });
    service.reload();
    const { failure } = await service.zero.fact('handover_finished', { handover: 2, outcome: 'failed' });
    assert.equal(failure?.step, 'listener.http');
    assert.match(failure.reason, /cannot change free_bind of a bound listener: needs a restart/);
    await assertUntouched(service, service.incumbent);
  });
});

describe('a change of a fixed option is refused with "needs a restart"', () => {
  const changes: { what: string; key: string; sections: (folder: string) => PuppetSections }[] = [
    {
      what: 'the name',
      key: 'service.runtime.name',
      sections: () => ({ runtime: { name: 'another' } }),
    },
    {
      what: 'the runtime directory',
      key: 'application.runtime_directory',
      sections: (folder) => ({ application: { runtime_directory: folder } }),
    },
    {
      what: 'the data directory',
      key: 'application.data_directory',
      sections: (folder) => ({ application: { data_directory: folder } }),
    },
  ];
  for (const { what, key, sections } of changes) {
    it(what, DEADLINE, async (t) => {
      const service = await startServing(t);
      service.rewrite(sections(temporaryFolder(t)));
      service.reload();
      const { failure } = await service.zero.fact('handover_finished', { handover: 2, outcome: 'failed' });
      assert.equal(failure?.step, 'config');
      assert.match(failure.reason, new RegExp(`^${key}: cannot change .*: it needs a restart$`));
      await assertUntouched(service, service.incumbent);
    });
  }
});

describe('a reload reads again', () => {
  it('environment, arguments and environment_file', DEADLINE, async (t) => {
    const file = join(temporaryFolder(t), 'environment');
    const [path, ...args] = [process.execPath, fixture('puppet.js')];
    const sections = (release: string): PuppetSections => ({
      runtime: { path, args: [...args, release, '${generation}'], environment_file: file },
      environment: { LISTED: release },
    });
    writeFileSync(file, 'FROM_FILE=a\n');
    const service = await startServing(t, sections('a'));
    const seen = (puppet: Puppet): unknown[] => [
      variable(puppet, 'LISTED'),
      variable(puppet, 'FROM_FILE'),
      ...puppet.argv.slice(2),
    ];
    assert.deepEqual(seen(service.incumbent), ['a', 'a', 'a', '1']);
    writeFileSync(file, 'FROM_FILE="b c"\n');
    assert.deepEqual(seen(await handOver(service, sections('b'), ['http'])), ['b', 'b c', 'b', '2']);
  });

  it('everything else than a crash does: a crash restarts the unchanged service', DEADLINE, async (t) => {
    const file = join(temporaryFolder(t), 'environment');
    writeFileSync(file, 'FROM_FILE=a\n');
    const service = await startServing(t, { runtime: { environment_file: file } });
    writeFileSync(file, 'FROM_FILE=b\n');
    service.rewrite({ environment: { LISTED: 'b' } });
    await service.incumbent.die();
    const again = await service.puppets.next();
    assert.equal(variable(again, 'FROM_FILE'), 'a');
    assert.equal(variable(again, 'LISTED'), undefined);
  });

  it('the release that the symlink of a directory points to', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    for (const release of ['a', 'b']) {
      mkdirSync(join(folder, release));
      symlinkSync(process.execPath, join(folder, release, 'service'));
    }
    const current = join(folder, 'current');
    const point = (release: string): void => {
      symlinkSync(release, `${current}.new`);
      renameSync(`${current}.new`, current);
    };
    point('a');
    const service = await startServing(t, { runtime: { directory: current, path: 'service' } });
    assert.equal(service.incumbent.announcement.cwd, join(folder, 'a'));
    assert.equal(service.incumbent.argv[0], join(folder, 'a', 'service'));
    point('b');
    // A restart is not a deploy.
    await service.incumbent.die();
    const again = await nextReady(service.puppets);
    assert.equal(again.announcement.cwd, join(folder, 'a'));
    service.reload();
    const next = await nextReady(service.puppets);
    assert.equal(next.generation, 2);
    assert.equal(next.announcement.cwd, join(folder, 'b'));
    assert.equal(next.argv[0], join(folder, 'b', 'service'));
  });
});
