import type { FindHanded } from '../seams.ts';
import { chooseHanded, readClaims, widerProblem } from './find-handed.ts';

/**
 * Looks in the environment for a socket that zero, systemd, Server::Starter or Einhorn handed over, by its name, else
 * by its address (`localhost`, wildcards and the ways to write an IP address count as what they mean). Null where nobody
 * handed one over for that; throws HandedError where one is there and is not open, no listening socket, at another
 * address than it is said to be, or open to more addresses than the one that is wanted.
 */
export const findHanded: FindHanded = (wanted) => {
  // No manager of Windows passes sockets on.
  if (process.platform === 'win32') return null;
  const claims = readClaims(process.env, process);
  const handed = chooseHanded(claims, wanted);
  const claim = claims.find(({ fd }) => fd === handed?.fd);
  const problem = claim === undefined ? null : widerProblem(claim, wanted);
  if (problem !== null) throw problem;
  return handed;
};

export { HandedError } from './claim.ts';
