import { constants } from 'node:os';

// glibc reserves the first two real-time signals: SIGRTMIN is 34 there (signal(7)).
const SIGRTMIN = 34;
const SIGRTMAX = 64;

const numbers: ReadonlyMap<string, number> = new Map([
  ...Object.entries(constants.signals),
  // An older name of SIGCHLD (signal(7)), which Node does not list.
  ['SIGCLD', constants.signals.SIGCHLD],
]);

const names = new Map<number, string>();
for (const [name, number] of numbers) if (!names.has(number)) names.set(number, name);

function lookup(name: string): number | undefined {
  const full = name.startsWith('SIG') ? name : `SIG${name}`;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(full);
  if (!realTime) return numbers.get(full);
  const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
  const number = (realTime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + offset;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}

/** The number of 'SIGTERM', 'TERM' or 'SIGRTMIN+1'. Throws RangeError for any other name. */
export function signalNumber(name: string): number {
  const number = lookup(name);
  if (number === undefined) throw new RangeError(`unknown signal: ${name}`);
  return number;
}

/**
 * The full name of a signal that a user wrote: a name with or without SIG in any case, or a number. Null for anything
 * else.
 */
export function parseSignal(text: string): string | null {
  const number = /^\d{1,2}$/.test(text) ? Number(text) : lookup(text.toUpperCase());
  if (number === undefined) return null;
  const name = signalName(number);
  // The signals that glibc reserves have no name here, nor has 0.
  return lookup(name) === number ? name : null;
}

/** The name of a signal number: 'SIGTERM', 'SIGRTMIN', 'SIGRTMIN+1', or 'SIG32' for those that glibc reserves. */
export function signalName(number: number): string {
  const known = names.get(number);
  if (known !== undefined) return known;
  if (number < SIGRTMIN || number > SIGRTMAX) return `SIG${number}`;
  return number === SIGRTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - SIGRTMIN}`;
}
