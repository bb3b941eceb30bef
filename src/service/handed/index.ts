import type { FindHanded } from '../seams.ts';
import { chooseHanded, readClaims } from './find-handed.ts';

/**
 * Looks in the environment for a socket that zero, systemd, Server::Starter or Einhorn handed over, by its name, else by its address
 * (`localhost`, wildcards and the ways to write an IP address count as what they mean). Null where nobody handed one over for that; throws
 * HandedError where one is there and is not open, no listening socket, or at another address than it is said to be.
 */
export const findHanded: FindHanded = (wanted) =>
  // No manager of Windows passes sockets on.
  process.platform !== 'win32' ? chooseHanded(readClaims(process.env, process), wanted) : null;

export { HandedError } from './handed-error.ts';
