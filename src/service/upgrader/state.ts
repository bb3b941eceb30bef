import { deserialize, serialize } from 'node:v8';
import { errorText } from '../../common/errors.ts';
import { UpgradeError } from '../upgrade-error.ts';

/** Limit for the state, in bytes after structured cloning. */
export const MAX_STATE = 16 * 1024 * 1024;

/**
 * The state as a message carries it; undefined if there is none. Throws INVALID_STATE for a state that cannot be passed
 * on.
 */
export function encodeState(state: unknown): string | undefined {
  if (state === undefined) return undefined;
  const bytes = cloned(state);
  if (bytes.length > MAX_STATE)
    throw invalid(`it has ${bytes.length} bytes, and at most ${MAX_STATE} can be passed on`);
  return bytes.toString('base64');
}

/** Throws if another version of Node wrote a state that this one cannot read. */
export function decodeState(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return deserialize(Buffer.from(text, 'base64'));
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`its state cannot be read by Node ${process.version}: ${message}`, { cause: error });
  }
}

function cloned(state: unknown): Buffer {
  try {
    return serialize(state);
  } catch (error) {
    throw invalid(errorText(error), error);
  }
}

const invalid = (why: string, cause?: unknown): UpgradeError =>
  new UpgradeError('INVALID_STATE', `upgrade: the state cannot be passed to the new process: ${why}`, cause);
