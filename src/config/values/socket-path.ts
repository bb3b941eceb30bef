import { type Parsed, quoted } from '../../common/text.ts';
import { LONGEST_SOCKET_PATH } from '../address.ts';

/** A path that a Unix socket can be bound to. */
export function parseSocketPath(text: string): Parsed<string> {
  if (text === '') return { problem: 'is empty: write a path' };
  if (text.includes('\0')) return { problem: 'has a NUL character' };
  if (text.startsWith('@'))
    return { problem: `${quoted(text)} is abstract, and anybody may use such a name` };
  if (text.endsWith('/')) return { problem: `${quoted(text)} is a directory: name the socket in it` };
  const bytes = Buffer.byteLength(text);
  if (bytes <= LONGEST_SOCKET_PATH) return { value: text };
  return {
    problem: `${quoted(text)} has ${bytes} bytes: the path of a Unix socket can have ${LONGEST_SOCKET_PATH}`,
  };
}
