/** A socket that was handed over cannot be what it is said to be: the message names the convention, the descriptor and why. */
export class HandedError extends Error {
  override readonly name = 'HandedError';
}
