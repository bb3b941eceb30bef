import { type Claim, countOf, descriptor, type Environment, type Self } from './claim.ts';
import { HandedError } from './handed-error.ts';

/**
 * Einhorn's EINHORN_FD_COUNT and EINHORN_FD_0 and so on. They are meant for its own children: EINHORN_MASTER_PID is then getppid(2). Throws
 * HandedError where a number is missing.
 */
export function einhorn(environment: Environment, { ppid }: Self): Claim[] {
  const { EINHORN_FD_COUNT: text, EINHORN_MASTER_PID } = environment;
  if (text === undefined || EINHORN_MASTER_PID !== String(ppid)) return [];
  const count = countOf(text);
  if (count === null) throw new HandedError(`EINHORN_FD_COUNT is no number of sockets: ${text}`);
  return Array.from({ length: count }, (_, index) => {
    const name = `EINHORN_FD_${index}`;
    const fd = descriptor(environment[name] ?? '');
    if (fd === null)
      throw new HandedError(`${name} is no descriptor number, and EINHORN_FD_COUNT is ${count}`);
    return { fd, name: null, address: null, from: 'Einhorn' };
  });
}
