import { type Parsed, quoted } from '../../common/text.ts';
import { nearMiss } from '../near-miss.ts';

/** The capabilities of capabilities(7), without CAP_. The index in the list is the number (linux/capability.h). */
const NAMES = [
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE',
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN',
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE',
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE',
]
  .join(' ')
  .split(' ');

/** A Linux capability with its name and number. */
export interface Capability {
  /** `CAP_NET_BIND_SERVICE`. */
  readonly name: string;
  /** As in linux/capability.h. */
  readonly number: number;
}

/** Parses the name of a capability, `CAP_NET_BIND_SERVICE`, in any case and with or without `CAP_`. */
export function parseCapability(text: string): Parsed<Capability> {
  const bare = text.toUpperCase().replace(/^CAP_/, '');
  const number = NAMES.indexOf(bare);
  if (number !== -1) return { value: { name: `CAP_${bare}`, number } };
  const meant = nearMiss(bare, NAMES);
  const hint =
    meant === undefined
      ? 'write a name such as CAP_NET_BIND_SERVICE, see capabilities(7)'
      : `did you mean ${quoted(`CAP_${meant}`)}?`;
  return { problem: `${quoted(text)} is not a capability: ${hint}` };
}
