import { platform } from '../platform/index.ts';
import type { Inspected } from '../platform/platform.ts';
import type { Handed, Wanted } from '../seams.ts';
import { type Claim, type Environment, HandedError, type Self } from './claim.ts';
import { einhorn, serverStarter, systemd } from './conventions.ts';
import { fit, formatPlace, isWider, type Place, parsePlace, placeOf } from './place.ts';
import { zero } from './zero.ts';

/**
 * All sockets that this process received, according to its environment. Each descriptor appears once, from the
 * convention that has the most details. Throws HandedError if a variable is malformed.
 */
export function readClaims(environment: Environment, self: Self): Claim[] {
  const all = [
    ...zero(environment),
    ...systemd(environment, self),
    ...serverStarter(environment),
    ...einhorn(environment, self),
  ];
  const seen = new Set<number>();
  return all.filter(({ fd }) => seen.size < seen.add(fd).size);
}

/** Inspects what a descriptor really is. */
type Look = (fd: number) => Inspected;

/**
 * The claim that matches the wanted socket by name, otherwise by address; null if none matches. Throws HandedError if
 * the descriptor is not what its claim says.
 */
export function chooseHanded(
  claims: readonly Claim[],
  wanted: Wanted,
  look: Look = platform.inspect,
): Handed | null {
  const place = placeOf(wanted);
  const claim = byName(claims, wanted, place, look) ?? byPlace(claims, wanted, place, look);
  if (claim === null) return null;
  verify(claim, wanted, place, look(claim.fd));
  return { fd: claim.fd, name: claim.name, from: claim.from };
}

/**
 * Why a matching socket must not be used: it accepts clients on every address, but the program asks for one, so a
 * service for this machine only would be open to the network. Null if the socket is no wider.
 */
export function widerProblem(
  claim: Claim,
  wanted: Wanted,
  look: Look = platform.inspect,
): HandedError | null {
  const place = placeOf(wanted);
  const actual = placeOfClaim(claim, look(claim.fd));
  if (place === null || actual === null || !isWider(place, actual)) return null;
  const [asked, open] = [formatPlace(place), formatPlace(actual)];
  const advice =
    claim.from === 'zero'
      ? `Listen on that address (zero run --listen ${asked}, or "address: ${asked}" in the config)`
      : `Let ${claim.from} listen on ${asked}`;
  return refusal(
    claim,
    `is open to every address (${open}), and the program asks for ${asked} only. ${advice}, or let the program listen on every address`,
  );
}

/** Of several claims with one name, the one at the wanted address. */
function byName(claims: readonly Claim[], { name }: Wanted, place: Place | null, look: Look): Claim | null {
  const named = name === undefined ? [] : claims.filter((claim) => claim.name === name);
  const fits = (claim: Claim) => {
    const at = placeOfClaim(claim, look(claim.fd));
    return place !== null && at !== null && fit(place, at) > 0;
  };
  return named.find(fits) ?? named[0] ?? null;
}

/**
 * The claim that fits best. If none fits, a claim without an address whose descriptor is not a socket: it may be the
 * wanted one, and is refused with the reason. Where the platform does not report a socket's address, the socket is
 * found by name only.
 */
function byPlace(claims: readonly Claim[], { type }: Wanted, place: Place | null, look: Look): Claim | null {
  if (place === null) return null;
  let best: Claim | null = null;
  let bestFit = 0;
  let unseen: Claim | null = null;
  for (const claim of claims) {
    const seen = look(claim.fd);
    const at = placeOfClaim(claim, seen);
    const fits = at === null ? 0 : fit(place, at);
    // A TCP and a UDP socket can have the same port.
    const other = 'socket' in seen && (seen.socket.type ?? type) !== type;
    if (at === null && 'problem' in seen) unseen ??= claim;
    else if (fits > bestFit && !other) [best, bestFit] = [claim, fits];
  }
  return best ?? unseen;
}

/** The address of the convention, otherwise the address that the kernel reports. */
function placeOfClaim({ address }: Claim, seen: Inspected): Place | null {
  if (address !== null) return parsePlace(address);
  return 'socket' in seen ? seen.socket.place : null;
}

function verify(claim: Claim, { type }: Wanted, place: Place | null, seen: Inspected): void {
  if ('problem' in seen) throw refusal(claim, seen.problem);
  const { socket } = seen;
  if ((socket.type ?? type) !== type)
    throw refusal(claim, `is a ${socket.type} socket, and a ${type} socket is needed`);
  const stated = claim.address === null ? null : parsePlace(claim.address);
  // The file of a Unix socket may have other names than the one that was bound.
  const actual = socket.place?.family === 'unix' && stated?.family === 'unix' ? stated : socket.place;
  if (actual === null) return;
  for (const expected of [stated, place])
    if (expected !== null && fit(expected, actual) === 0)
      throw refusal(claim, `listens on ${formatPlace(actual)}, not on ${formatPlace(expected)}`);
}

function refusal({ fd, name, from }: Claim, what: string): HandedError {
  const called = name === null ? '' : ` (${name})`;
  return new HandedError(`descriptor ${fd}${called}, handed over by ${from}, ${what}`);
}
