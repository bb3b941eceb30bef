import { closeSync, openSync, readSync } from 'node:fs';
import { reasonOf } from '../common/errors.ts';
import { type FileIdentity, identityOf } from './file-identity.ts';
import { type LocatedConfig, parseConfig } from './parse.ts';
import type { Problem } from './problem.ts';
import { LARGEST_FILE } from './read/syntax.ts';

/**
 * Loads a config with the identity of its file, or returns all problems, including a file that cannot be read (line 0).
 * `identity` is null for a file that is not regular, such as a pipe: its path may contain something else the next time.
 * @param file its name, for problems
 * @param path the path to read
 */
export function loadConfig(
  file: string,
  parse: typeof parseConfig = parseConfig,
  path: string = file,
): (LocatedConfig & { readonly identity: FileIdentity | null }) | { problems: Problem[] } {
  const failed = (line: number, message: string) => ({ problems: [{ file, line, column: line, message }] });
  let bytes: Buffer;
  let identity: FileIdentity | null;
  try {
    ({ bytes, identity } = readBounded(path));
  } catch (error) {
    return failed(0, unreadable(error));
  }
  // A file that is too large is refused before its last character is decoded, which may be incomplete.
  const read = (text: string) => {
    const parsed = parse(text, file);
    return 'config' in parsed ? { ...parsed, identity } : parsed;
  };
  if (bytes.length > LARGEST_FILE) return read(bytes.toString('latin1'));
  try {
    return read(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      return failed(1, 'is not UTF-8 text');
    }
    throw error;
  }
}

const PART = 16_384;

// Not readFile: the name may belong to a pipe, or to a device without an end.
function readBounded(file: string): { bytes: Buffer; identity: FileIdentity | null } {
  const fd = openSync(file, 'r');
  try {
    const parts: Buffer[] = [];
    // Reading one byte more than the limit shows that the file is too large.
    for (let room = LARGEST_FILE + 1; room > 0; ) {
      const part = Buffer.allocUnsafe(Math.min(PART, room));
      const count = readSync(fd, part);
      if (count === 0) break;
      parts.push(part.subarray(0, count));
      room -= count;
    }
    return { bytes: Buffer.concat(parts), identity: identityOf(fd) };
  } finally {
    closeSync(fd);
  }
}

function unreadable(error: unknown): string {
  const code = reasonOf(error);
  switch (code) {
    case 'ENOENT':
      return 'cannot read the config (ENOENT): the file does not exist. Pass another one with --config';
    case 'EACCES':
      return 'cannot read the config (EACCES): this user has no permission';
    case 'EMFILE':
      return 'cannot read the config (EMFILE): zero has no free file descriptors. Raise its nofile limit';
    case 'EISDIR':
      return 'cannot read the config (EISDIR): it is a directory. Pass the path of a file';
    default:
      return `cannot read the config: ${code}`;
  }
}

/** The config file's name: `--config`, otherwise `$ZERO_CONFIG` unless it is empty, otherwise `./zero.yaml`. */
export function locateConfig(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return option ?? (environment.ZERO_CONFIG || 'zero.yaml');
}
