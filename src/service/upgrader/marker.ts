import { fstatSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const NAME = 'ZERODOWN_UPGRADE';
const CHANNEL = /^(\d+):(\w+)$/;

/**
 * Marks a process that replaces another one: the descriptor of the channel to that process, and the token that it will
 * send.
 */
export interface Marker {
  readonly channel: number;
  readonly token: string;
}

export function markedEnvironment(
  environment: Readonly<NodeJS.ProcessEnv>,
  { channel, token }: Marker,
): NodeJS.ProcessEnv {
  return { ...environment, [NAME]: `${channel}:${token}` };
}

/**
 * Reads the marker and removes it from the environment, so that no child process mistakes it for its own. A marker that
 * passed through an intermediate program without the channel is ignored. So are markers in threads, which have a copy
 * of the environment and are not processes.
 */
export function takeMarker(): Marker | null {
  if (!isMainThread) return null;
  const text = process.env[NAME];
  delete process.env[NAME];
  const [, channel, token] = CHANNEL.exec(text ?? '') ?? [];
  if (channel === undefined || token === undefined) return null;
  return isSocket(Number(channel)) ? { channel: Number(channel), token } : null;
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
