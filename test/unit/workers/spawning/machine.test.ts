import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { machineProblem } from '../../../../src/workers/spawning/machine.ts';
import { folder } from '../support.ts';

/** The first bytes of a program for that machine (elf(5)). */
function program(machine: number, bigEndian = false): Buffer {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head[5] = bigEndian ? 2 : 1;
  if (bigEndian) head.writeUInt16BE(machine, 18);
  else head.writeUInt16LE(machine, 18);
  return head;
}

const none = join(folder, 'no-binfmt');

test('programs of the own architecture pass, also 32-bit ones and files other than ELF', () => {
  for (const machine of [62, 3]) assert.equal(machineProblem(program(machine), 'x64', none), null);
  for (const machine of [183, 40]) assert.equal(machineProblem(program(machine), 'arm64', none), null);
  assert.equal(machineProblem(program(62), 'riscv64', none), null);
  assert.equal(machineProblem(Buffer.from('MZ\0\0'), 'x64', none), null);
  assert.equal(machineProblem(Buffer.from('\x7fELF'), 'x64', none), null);
});

test('programs of another architecture are refused by name', () => {
  const problem = 'it is a program for another machine';
  assert.equal(machineProblem(program(183), 'x64', none), `${problem} (arm64), and this one is x64`);
  assert.equal(machineProblem(program(62), 'arm64', none), `${problem} (x64), and this one is arm64`);
  assert.equal(
    machineProblem(program(22, true), 'x64', none),
    `${problem} (ELF machine 22), and this one is x64`,
  );
});

test('programs of another architecture pass if an emulator may be registered', () => {
  const binfmt = join(folder, 'binfmt');
  mkdirSync(binfmt);
  for (const name of ['register', 'status']) writeFileSync(join(binfmt, name), '');
  assert.match(machineProblem(program(183), 'x64', binfmt) ?? '', /arm64/);
  writeFileSync(join(binfmt, 'qemu-aarch64'), '');
  assert.equal(machineProblem(program(183), 'x64', binfmt), null);
});
