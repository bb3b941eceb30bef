import assert from 'node:assert/strict';
import { fstatSync, writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { openPipe } from '../../../../src/linux/pipes.ts';
import { descriptorsOf } from '../../../../src/linux/socket-holder.ts';
import { closeFd, duplicateAbove } from '../../../../src/linux/sockets.ts';
import { isVaultLink, VaultFile } from '../../../../src/supervisor/keeper/vault.ts';

function vaultOf(t: TestContext): VaultFile {
  const vault = VaultFile.create(linux);
  t.after(() => vault.close());
  return vault;
}

/** The content of the vault according to another process, which has its own descriptor. */
function found(t: TestContext, vault: VaultFile) {
  const other = VaultFile.resume(duplicateAbove(vault.fd, 3), linux);
  t.after(() => other.close());
  return other.read();
}

test('a new vault is empty', (t) => {
  assert.deepEqual(found(t, vaultOf(t)), { state: null, generations: null });
});

test('another process finds the newest version of each record', (t) => {
  const vault = vaultOf(t);
  vault.writeState('a long first state', 1);
  vault.writeGenerations(Buffer.from([0, 255]));
  vault.writeState('ü', 2);
  assert.deepEqual(found(t, vault), {
    state: { text: 'ü', sequence: 2 },
    generations: Buffer.from([0, 255]),
  });
  vault.writeState('third', 3);
  vault.writeGenerations(Buffer.alloc(0));
  assert.deepEqual(found(t, vault), {
    state: { text: 'third', sequence: 3 },
    generations: Buffer.alloc(0),
  });
});

test('another supervisor continues the vault', (t) => {
  const vault = vaultOf(t);
  vault.writeState('old', 7);
  const other = VaultFile.resume(duplicateAbove(vault.fd, 3), linux);
  t.after(() => other.close());
  other.writeState('new', 8);
  assert.deepEqual(vault.read().state, { text: 'new', sequence: 8 });
});

test('an incomplete record leaves the previous one valid', (t) => {
  const vault = vaultOf(t);
  vault.writeState('whole', 1);
  // The other slot of `state`, whose entry was not written yet.
  writeSync(vault.fd, 'half a st', 16 * 1024 * 1024);
  assert.deepEqual(found(t, vault).state, { text: 'whole', sequence: 1 });
});

test('a record that is too large is refused, and the previous one is kept', (t) => {
  const vault = vaultOf(t);
  vault.writeState('small', 1);
  assert.throws(() => vault.writeState('x'.repeat(8 * 1024 * 1024 + 1), 2), RangeError);
  assert.deepEqual(vault.read().state, { text: 'small', sequence: 1 });
  vault.writeState('x'.repeat(8 * 1024 * 1024), 3);
  vault.writeGenerations(Buffer.from('not overwritten'));
  vault.writeState('y'.repeat(8 * 1024 * 1024), 4);
  assert.equal(found(t, vault).generations?.toString(), 'not overwritten');
});

test('the vault uses the memory of its content', (t) => {
  const vault = vaultOf(t);
  for (let sequence = 1; sequence <= 100; sequence += 1) vault.writeState('z'.repeat(10_000), sequence);
  assert.ok(fstatSync(vault.fd).blocks * 512 <= 64 * 1024);
});

test('a vault is recognised by its link, and other files are not', (t) => {
  const vault = vaultOf(t);
  const link = descriptorsOf('self').find(({ fd }) => fd === vault.fd)?.link ?? null;
  assert.ok(isVaultLink(link), link ?? 'no link');
  assert.ok(!isVaultLink(null));
  const { read, write } = openPipe();
  const other = linux.openMemoryFile('other', Buffer.from('something else'));
  for (const fd of [read, write, other]) t.after(() => closeFd(fd));
  assert.ok(descriptorsOf('self').every(({ fd, link: one }) => fd === vault.fd || !isVaultLink(one)));
  assert.throws(() => VaultFile.resume(other, linux), /is not a vault/);
});
