import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { readInstance } from '../../../../src/cli/instances/record.ts';
import { InstanceRecord } from '../../../../src/supervisor/instance/instance-record.ts';
import { fixture } from '../../../support/paths.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const SAVED = fixture('formats/instance-1.json');
const CONFIG = {
  path: '/etc/web/zero.yaml',
  device: '66305',
  inode: '9223372036854775809',
  birth_ns: '1764150000123456789',
};

it('a saved record of version 1 is still readable', (t) => {
  const directory = temporaryFolder(t);
  copyFileSync(SAVED, join(directory, 'instance.json'));
  assert.deepEqual(readInstance(directory, null), {
    name: 'web',
    uid: process.geteuid?.(),
    pid: 4242,
    runtimeDirectory: directory,
    controlSocket: '/run/zero/web/control.sock',
    configFile: CONFIG,
  });
});

it('a record whose name no instance can have is left out', (t) => {
  const directory = temporaryFolder(t);
  const saved = JSON.parse(readFileSync(SAVED, 'utf8'));
  for (const name of ['bad\ud800name', '..', 'a/b', '', '\u001b[2J', 'a'.repeat(65)]) {
    writeFileSync(join(directory, 'instance.json'), JSON.stringify({ ...saved, name }));
    assert.equal(readInstance(directory, null), null, JSON.stringify(name));
  }
});

it('a record has the fields of the saved one, follows a replaced config file, and is removed with its instance', (t) => {
  const folder = temporaryFolder(t);
  // In a standard directory, so that no link is created.
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  const runtimeDirectory = join(folder, `zero-${process.geteuid?.()}`, 'web');
  mkdirSync(runtimeDirectory, { recursive: true });
  const instance = { name: 'web', runtimeDirectory, dataDirectory: folder };
  const controlSocket = join(runtimeDirectory, 'control.sock');
  const facts = { instance, version: '0.1.0', directory: folder, controlSocket, configFile: CONFIG };
  const warnings: string[] = [];
  const record = new InstanceRecord(facts, (message) => warnings.push(message));
  record.update(CONFIG);
  const document = JSON.parse(readFileSync(join(runtimeDirectory, 'instance.json'), 'utf8'));
  assert.deepEqual(Object.keys(document), Object.keys(JSON.parse(readFileSync(SAVED, 'utf8'))));
  record.update({ ...CONFIG, inode: '7' });
  assert.equal(readInstance(runtimeDirectory, null)?.configFile?.inode, '7');
  record.close();
  assert.equal(readInstance(runtimeDirectory, null), null);
  assert.deepEqual(warnings, []);
});

it('a record that cannot be written causes one warning', () => {
  const instance = { name: 'web', runtimeDirectory: '/proc/nowhere', dataDirectory: '/' };
  const facts = { instance, version: '1', directory: '/', controlSocket: '/x', configFile: null };
  const warnings: string[] = [];
  const record = new InstanceRecord(facts, (message) => warnings.push(message));
  record.update(null);
  record.close();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /^write \/proc\/nowhere\/instance\.json: ENOENT/);
});
