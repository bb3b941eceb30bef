import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Puppet } from '../support/puppet.ts';
import { assertUntouched, nextReady, puppetConfig, startServing } from '../support/puppet-service.ts';
import { type Puppets, startPuppets } from '../support/puppets.ts';
import { reversed, type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

const QUIET = '100ms';

/** A script that runs a puppet of this version. */
function program({ command }: Puppets, version: string): string {
  return `#!/bin/sh\nVERSION=${version} exec ${command.map((part) => `'${part}'`).join(' ')}\n`;
}

function put(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o755 });
  renameSync(`${file}.new`, file);
}

const versionOf = (puppet: Puppet): string | undefined =>
  puppet.environment
    .map(String)
    .find((entry) => entry.startsWith('VERSION='))
    ?.slice(8);

interface Watched {
  readonly zero: Zero;
  readonly puppets: Puppets;
  readonly incumbent: Puppet;
  readonly folder: string;
  readonly server: string;
}

/** Release directories behind the symlink `current`. The first release serves. */
async function start(scope: Scope): Promise<Watched> {
  const folder = temporaryFolder(scope);
  const server = join(folder, 'current', 'server');
  const puppets = await startPuppets(scope);
  for (const release of ['41', '42']) {
    mkdirSync(join(folder, release));
    put(join(folder, release, 'server'), program(puppets, release));
  }
  symlinkSync('41', join(folder, 'current'));
  const runtime = { path: server, args: [], directory: folder };
  const config = puppetConfig(puppets, { runtime, watch: { paths: ['current/server'], quiet: QUIET } });
  const zero = startZero(scope, { config, folder });
  const incumbent = await nextReady(puppets);
  await zero.fact('generation_promoted', { generation: 1 });
  await zero.fact('watching');
  return { zero, puppets, incumbent, folder, server };
}

describe('watch', () => {
  it(
    'reloads when another executable is renamed over the old one, and when the symlink is replaced',
    DEADLINE,
    async (test) => {
      const t = reversed(test);
      const { zero, puppets, folder, server } = await start(t);
      put(server, program(puppets, 'new'));
      assert.equal(versionOf(await nextReady(puppets)), 'new');
      await zero.fact('reload_requested', { by: 'watch', merged: false });
      await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
      symlinkSync('42', join(folder, 'next'));
      renameSync(join(folder, 'next'), join(folder, 'current'));
      assert.equal(versionOf(await nextReady(puppets)), '42');
      await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
      assert.equal(zero.log.all('reload_requested').length, 2);
    },
  );

  it('waits for a file until it is closed', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, puppets, server } = await start(t);
    rmSync(server);
    const fd = openSync(server, 'w', 0o755);
    chmodSync(server, 0o755);
    const text = program(puppets, 'slow');
    writeSync(fd, text.slice(0, 20));
    await zero.fact(
      'warning',
      ({ about, message }) => about === 'watch' && /is being written to/.test(message),
    );
    assert.equal(zero.log.all('reload_requested').length, 0);
    writeSync(fd, text.slice(20));
    closeSync(fd);
    assert.equal(versionOf(await nextReady(puppets)), 'slow');
  });

  it(
    'reloads once for a broken file, and not for a missing one until it exists again',
    DEADLINE,
    async (test) => {
      const t = reversed(test);
      const service = await start(t);
      const { zero, puppets, server, incumbent } = service;
      put(server, 'neither a program nor a script');
      await zero.fact('handover_finished', { handover: 2, outcome: 'failed' });
      rmSync(server);
      await zero.fact(
        'warning',
        ({ about, message }) => about === 'watch' && /does not exist: waiting/.test(message),
      );
      assert.equal(zero.log.all('reload_requested').length, 1);
      await assertUntouched({ ...service, rewrite() {}, reload: () => 0 }, incumbent);
      put(server, program(puppets, 'back'));
      assert.equal(versionOf(await nextReady(puppets)), 'back');
      await zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
    },
  );

  it('starts with a config that enables it', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'version');
    writeFileSync(file, '1');
    const service = await startServing(t, {});
    service.rewrite({ watch: { paths: [file], quiet: QUIET } });
    service.reload();
    await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 2 });
    await service.zero.fact('watching', { paths: [file] });
    put(file, 'two');
    await service.zero.fact('reload_requested', { by: 'watch' });
    await nextReady(service.puppets);
    await service.zero.fact('handover_finished', { handover: 3, outcome: 'promoted' });
  });
});
