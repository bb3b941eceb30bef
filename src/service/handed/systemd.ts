import { type Claim, countOf, type Environment, type Self } from './claim.ts';
import { HandedError } from './handed-error.ts';

/** sd_listen_fds(3): SD_LISTEN_FDS_START. */
const FIRST = 3;

/**
 * systemd's LISTEN_FDS: the descriptors 3 to n+2, with the names of LISTEN_FDNAMES. It is meant for the process whose pid LISTEN_PID is and
 * for nobody else, as sd_listen_fds(3) has it: its children inherit the variables and not the sockets. Throws HandedError where
 * LISTEN_FDS is no number.
 */
export function systemd({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: Environment, { pid }: Self): Claim[] {
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return [];
  const count = countOf(LISTEN_FDS);
  if (count === null) throw new HandedError(`LISTEN_FDS is no number of sockets: ${LISTEN_FDS}`);
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: count }, (_, index) => ({
    fd: FIRST + index,
    name: names[index] || null,
    address: null,
    from: 'systemd',
  }));
}
