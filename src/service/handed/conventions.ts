import { listenDescriptors } from '../../common/socket-variables.ts';
import { type Claim, countOf, descriptor, type Environment, HandedError, type Self } from './claim.ts';

/**
 * systemd's LISTEN_FDS: the descriptors 3 to n+2, with the names of LISTEN_FDNAMES. It is meant for the process whose pid LISTEN_PID is and
 * for nobody else, as sd_listen_fds(3) has it: its children inherit the variables and not the sockets. Throws HandedError where
 * LISTEN_FDS is not a number.
 */
export function systemd({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: Environment, { pid }: Self): Claim[] {
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return [];
  const count = countOf(LISTEN_FDS);
  if (count === null) throw new HandedError(`LISTEN_FDS is not a number of sockets: ${LISTEN_FDS}`);
  return listenDescriptors(count, LISTEN_FDNAMES).map((found) => ({
    ...found,
    address: null,
    from: 'systemd',
  }));
}

/**
 * Einhorn's EINHORN_FD_COUNT and EINHORN_FD_0 and so on. They are meant for its own children: EINHORN_MASTER_PID is then getppid(2). Throws
 * HandedError where a number is missing.
 */
export function einhorn(environment: Environment, { ppid }: Self): Claim[] {
  const { EINHORN_FD_COUNT: text, EINHORN_MASTER_PID } = environment;
  if (text === undefined || EINHORN_MASTER_PID !== String(ppid)) return [];
  const count = countOf(text);
  if (count === null) throw new HandedError(`EINHORN_FD_COUNT is not a number of sockets: ${text}`);
  return Array.from({ length: count }, (_, index) => {
    const name = `EINHORN_FD_${index}`;
    const fd = descriptor(environment[name] ?? '');
    if (fd === null)
      throw new HandedError(`${name} is not a descriptor number, and EINHORN_FD_COUNT is ${count}`);
    return { fd, name: null, address: null, from: 'Einhorn' };
  });
}

/** `8080=3;127.0.0.1:81=4;[::1]:82=5;/path.sock=6` of Server::Starter. Throws HandedError where it is anything else. */
export function serverStarter({ SERVER_STARTER_PORT: text }: Environment): Claim[] {
  if (text === undefined || text === '') return [];
  return text.split(';').map((entry) => {
    // A path may have a "=" of its own; the number has none.
    const at = entry.lastIndexOf('=');
    const fd = descriptor(entry.slice(at + 1));
    if (at <= 0 || fd === null)
      throw new HandedError(`SERVER_STARTER_PORT is not a list of ADDRESS=DESCRIPTOR: ${text.slice(0, 200)}`);
    return { fd, name: null, address: entry.slice(0, at), from: 'Server::Starter' };
  });
}
