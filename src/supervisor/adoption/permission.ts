import { readFileSync } from 'node:fs';
import { ownerOf } from '../../linux/procfs.ts';
import { lookupUser } from '../../linux/users.ts';
import { AdoptionError } from './adoption-error.ts';

/** Why this user may not take sockets from a process, and how to get the permission. */
export function permissionError(pid: number): AdoptionError {
  const what = `cannot adopt process ${pid}: this user may not take its sockets`;
  return new AdoptionError(`${what}. ${advice(pid)}`);
}

/** The rules are those of ptrace(2), "Ptrace access mode checking", and of Documentation/admin-guide/LSM/Yama.rst. */
function advice(pid: number): string {
  const uid = process.geteuid?.() ?? 0;
  const owner = ownerOf(pid);
  const scope = ptraceScope();
  if (uid === 0) {
    return scope === 3
      ? 'kernel.yama.ptrace_scope is 3: no process may take sockets of another one until the next reboot.'
      : 'root needs the capability CAP_SYS_PTRACE. Run zero outside of the container or sandbox that removes it.';
  }
  if (owner !== null && owner !== uid) {
    const name = lookupUser(String(owner))?.name ?? `uid ${owner}`;
    return `It belongs to ${name}. Run "zero adopt" as root, or as that user.`;
  }
  if (scope === 1)
    return 'kernel.yama.ptrace_scope is 1: a process may take sockets only from its own children. Run "zero adopt" as root, or set kernel.yama.ptrace_scope=0 with sysctl for as long as the adoption takes.';
  if (scope === 2)
    return 'kernel.yama.ptrace_scope is 2: only root may take sockets of a process. Run "zero adopt" as root.';
  if (scope === 3)
    return 'kernel.yama.ptrace_scope is 3: no process may take sockets of another one until the next reboot.';
  return 'The process is protected: it has more rights than this user (capabilities, setuid), or a sandbox refuses ptrace(2). Run "zero adopt" as root.';
}

/** null: the kernel is built without Yama. */
function ptraceScope(): number | null {
  try {
    return Number(readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'latin1'));
  } catch {
    return null;
  }
}
