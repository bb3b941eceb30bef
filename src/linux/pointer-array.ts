import { errnoNumber, SystemError } from './errors.ts';
import { addressOf } from './libc.ts';

/**
 * A NULL-terminated array of C strings, like argv and envp: the pointers first, then the strings, in one Buffer, so
 * that one reference keeps all of it alive. Buffers keep their bytes in any encoding. Throws SystemError EINVAL if an
 * entry contains NUL, where C would end the string.
 */
export function pointerArray(entries: readonly (string | Buffer)[], subject: string): Buffer {
  const strings = entries.map((entry) => cString(entry, subject));
  let offset = (strings.length + 1) * 8;
  const block = Buffer.alloc(strings.reduce((sum, string) => sum + string.length, offset));
  const base = addressOf(block);
  for (const [index, string] of strings.entries()) {
    block.writeBigUInt64LE(base + BigInt(offset), index * 8);
    string.copy(block, offset);
    offset += string.length;
  }
  return block;
}

/** The bytes with a terminating NUL. Throws SystemError EINVAL if they contain NUL. */
export function cString(entry: string | Buffer, subject: string): Buffer {
  const bytes = typeof entry === 'string' ? Buffer.from(entry) : entry;
  if (bytes.includes(0)) throw new SystemError(subject, errnoNumber('EINVAL'), 'NUL byte in a string');
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}
