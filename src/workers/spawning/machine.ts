import { readdirSync } from 'node:fs';

// e_machine values of elf(5) that a kernel of this architecture runs natively: EM_X86_64 and EM_386, EM_AARCH64 and
// EM_ARM.
const OWN_MACHINES: Readonly<Record<string, readonly number[]>> = { x64: [62, 3], arm64: [183, 40] };
const NAMES: Readonly<Record<number, string>> = {
  3: 'x86',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv',
};

const ELF = Buffer.from('\x7fELF');
const BIG_ENDIAN = 2;

/**
 * Why a program of another architecture cannot run, or null. Checked beforehand, because the launcher's programs hide
 * ENOEXEC: execvp(3) then has a shell read the file as a script. `binfmt` is where an emulator would be registered
 * (Documentation/admin-guide/binfmt-misc.rst). With an emulator the program may run.
 */
export function machineProblem(
  head: Buffer,
  architecture: string = process.arch,
  binfmt = '/proc/sys/fs/binfmt_misc',
): string | null {
  if (head.length < 20 || !head.subarray(0, 4).equals(ELF)) return null;
  const machine = head[5] === BIG_ENDIAN ? head.readUInt16BE(18) : head.readUInt16LE(18);
  if (OWN_MACHINES[architecture]?.includes(machine) ?? true) return null;
  if (hasEmulator(binfmt)) return null;
  return `it is a program for another machine (${NAMES[machine] ?? `ELF machine ${machine}`}), and this one is ${architecture}`;
}

function hasEmulator(binfmt: string): boolean {
  try {
    return readdirSync(binfmt).some((name) => name !== 'register' && name !== 'status');
  } catch {
    return false;
  }
}
