import { type Claim, type Environment, HandedError, MAX_DESCRIPTORS } from './claim.ts';

interface Entry {
  readonly name: string;
  readonly fd: number;
  readonly address: string;
}

/** zero's ZERO_LISTENERS, a JSON array of {name, fd, address}. Throws HandedError for another format. */
export function zero({ ZERO_LISTENERS: text }: Environment): Claim[] {
  if (text === undefined) return [];
  const list = parse(text);
  if (!Array.isArray(list) || !list.every(isEntry))
    throw new HandedError(
      `ZERO_LISTENERS is not a JSON array of {"name", "fd", "address"}: ${text.slice(0, 200)}`,
    );
  return list.map(({ name, fd, address }) => ({ name, fd, address, from: 'zero' }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isEntry(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false;
  const { name, fd, address } = value as Partial<Record<keyof Entry, unknown>>;
  const isDescriptor = Number.isSafeInteger(fd) && Number(fd) >= 0 && Number(fd) <= MAX_DESCRIPTORS;
  return typeof name === 'string' && typeof address === 'string' && isDescriptor;
}
