import type { FindHanded } from '../seams.ts';
import { chooseHanded, readClaims, widerProblem } from './find-handed.ts';

/**
 * Finds a socket that zero, systemd, Server::Starter or Einhorn passed on, by name, otherwise by address. `localhost`,
 * wildcards and different spellings of one IP address match by their meaning. Null if no such socket was passed on.
 * Throws HandedError if the socket is not open, is not a listening socket, has another address than declared, or is
 * open to more addresses than the wanted one.
 */
export const findHanded: FindHanded = (wanted) => {
  // No manager on Windows passes sockets on.
  if (process.platform === 'win32') return null;
  const claims = readClaims(process.env, process);
  const handed = chooseHanded(claims, wanted);
  const claim = claims.find(({ fd }) => fd === handed?.fd);
  const problem = claim === undefined ? null : widerProblem(claim, wanted);
  if (problem !== null) throw problem;
  return handed;
};

export { HandedError } from './claim.ts';
