import { kernelSetting, ownerOf } from '../../linux/procfs.ts';
import { lookupUser } from '../../linux/users.ts';

/** A running service cannot be adopted. The message says why and what to do. The service is unchanged. */
export class AdoptionError extends Error {}

/** The refused access: reading the descriptors in /proc (PTRACE_MODE_READ), or taking them (PTRACE_MODE_ATTACH). */
export type RefusedAccess = 'read' | 'attach';

export interface Refusal {
  readonly access: RefusedAccess;
  /** The effective user of zero. */
  readonly uid: number;
  /** The user id and name of the process; null: it has exited, or runs with several user ids (setuid). */
  readonly owner: { readonly uid: number; readonly name: string } | null;
  /** kernel.yama.ptrace_scope; null: the kernel is built without Yama. */
  readonly scope: number | null;
}

/** Why this user may not take sockets from a process, and how to get the permission. */
export function permissionError(pid: number, access: RefusedAccess): AdoptionError {
  const owner = ownerOf(pid);
  const advice = adviceFor({
    access,
    uid: process.geteuid?.() ?? 0,
    owner: owner === null ? null : { uid: owner, name: lookupUser(String(owner))?.name ?? `uid ${owner}` },
    scope: ptraceScope(),
  });
  return new AdoptionError(`cannot adopt process ${pid}: this user may not take its sockets. ${advice}`);
}

/**
 * The missing permission, and how to get it. The rules are those of ptrace(2), "Ptrace access mode checking", and of
 * Documentation/admin-guide/LSM/Yama.rst. Yama refuses only the access to attach. Pure.
 */
export function adviceFor({ access, uid, owner, scope }: Refusal): string {
  if (scope === 3)
    return 'kernel.yama.ptrace_scope is 3: no process may take sockets of another one until the next reboot. Set kernel.yama.ptrace_scope to 2 or less in /etc/sysctl.d, and reboot.';
  if (uid === 0)
    return 'root needs the capability CAP_SYS_PTRACE. Run zero outside of the container or sandbox that removes it.';
  if (owner !== null && owner.uid !== uid) {
    // With 1 and 2, that user could not take the sockets either.
    const others = scope === 1 || scope === 2 ? '' : `, or as ${owner.name}`;
    return `It belongs to ${owner.name}. Run "zero adopt" as root${others}.`;
  }
  if (access === 'attach' && scope === 1)
    return 'kernel.yama.ptrace_scope is 1: a process may take sockets only from its descendants. Run "zero adopt" as root, or set kernel.yama.ptrace_scope=0 with sysctl for as long as the adoption takes.';
  if (access === 'attach' && scope === 2)
    return 'kernel.yama.ptrace_scope is 2: only root may take sockets of a process. Run "zero adopt" as root.';
  return 'The process is protected: it has more rights than this user (capabilities, setuid), or a sandbox refuses ptrace(2). Run "zero adopt" as root.';
}

function ptraceScope(): number | null {
  const text = kernelSetting('kernel.yama.ptrace_scope');
  return text === null ? null : Number(text);
}
