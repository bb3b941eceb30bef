/**
 * Freezes plain data and everything in it: an attempt to change it throws TypeError. A part that is frozen already counts
 * as frozen as a whole.
 */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) frozen(part);
  return value;
}
