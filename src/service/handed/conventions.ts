import { listenDescriptors } from '../../common/socket-variables.ts';
import { type Claim, countOf, descriptor, type Environment, HandedError, type Self } from './claim.ts';

/**
 * systemd's LISTEN_FDS: the descriptors 3 to n+2, with the names of LISTEN_FDNAMES. They belong only to the process
 * with the pid LISTEN_PID (sd_listen_fds(3)): its children inherit the variables, but not the sockets. Throws
 * HandedError if LISTEN_FDS is not a number.
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
 * Einhorn's EINHORN_FD_COUNT, EINHORN_FD_0 and so on. They belong only to Einhorn's own children, whose getppid(2)
 * equals EINHORN_MASTER_PID. Throws HandedError if a number is missing.
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

/** Server::Starter's `8080=3;127.0.0.1:81=4;[::1]:82=5;/path.sock=6`. Throws HandedError for another format. */
export function serverStarter({ SERVER_STARTER_PORT: text }: Environment): Claim[] {
  if (text === undefined || text === '') return [];
  return text.split(';').map((entry) => {
    // A path may contain "="; the number does not.
    const at = entry.lastIndexOf('=');
    const fd = descriptor(entry.slice(at + 1));
    if (at <= 0 || fd === null)
      throw new HandedError(`SERVER_STARTER_PORT is not a list of ADDRESS=DESCRIPTOR: ${text.slice(0, 200)}`);
    return { fd, name: null, address: entry.slice(0, at), from: 'Server::Starter' };
  });
}
