import type { Described, Inherited } from './descriptor.ts';

/** Increased when an older process could not understand a newer one. Additional fields need no increase. */
export const VERSION = 1;

/** From the upgrading process to the new one. */
export type ToChild =
  | {
      readonly type: 'inherit';
      readonly version: number;
      readonly token: string;
      readonly pid: number;
      readonly descriptors: readonly Inherited[];
      /** See `encodeState`; omitted if there is none. */
      readonly state?: string;
    }
  /** The new process is in charge from now on, after it has sent `took_over`. */
  | { readonly type: 'take_over' }
  /** The old process accepts no more connections. */
  | { readonly type: 'let_go' };

/** From the new process to the upgrading one. */
export type ToParent =
  | { readonly type: 'hello'; readonly version: number; readonly pid: number }
  | { readonly type: 'ready' }
  | { readonly type: 'took_over' }
  /** The new process could not take over. */
  | { readonly type: 'failed'; readonly message: string };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value);
const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === 'string';
const isIdentity = (value: unknown): boolean => isObject(value) && isNumber(value.dev) && isNumber(value.ino);

function isDescribed(value: unknown): value is Described {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    (value.kind === 'listener' || value.kind === 'datagram' || value.kind === 'other') &&
    isTextOrNull(value.asked) &&
    isTextOrNull(value.bound) &&
    (value.path === null ||
      (isIdentity(value.path) && isObject(value.path) && typeof value.path.path === 'string')) &&
    isIdentity(value.identity)
  );
}

const isInherited = (value: unknown): value is Inherited =>
  isDescribed(value) && 'fd' in value && isNumber(value.fd);

/** Null for an invalid message. */
export function readToChild(value: unknown): ToChild | null {
  if (!isObject(value)) return null;
  if (value.type === 'take_over' || value.type === 'let_go') return { type: value.type };
  if (value.type !== 'inherit') return null;
  const { version, token, pid, descriptors, state } = value;
  if (!isNumber(version) || !isNumber(pid) || typeof token !== 'string' || !Array.isArray(descriptors))
    return null;
  if (!descriptors.every(isInherited) || (state !== undefined && typeof state !== 'string')) return null;
  const message = { type: 'inherit', version, token, pid, descriptors } as const;
  return state === undefined ? message : { ...message, state };
}

/** Null for an invalid message. */
export function readToParent(value: unknown): ToParent | null {
  if (!isObject(value)) return null;
  if (value.type === 'ready' || value.type === 'took_over') return { type: value.type };
  const { version, pid, message } = value;
  if (value.type === 'hello' && isNumber(version) && isNumber(pid)) return { type: 'hello', version, pid };
  if (value.type === 'failed' && typeof message === 'string') return { type: 'failed', message };
  return null;
}
