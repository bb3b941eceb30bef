import { fstatSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const NAME = 'ZERODOWN_UPGRADE';
const CHANNEL = /^(\d+):(\w+)$/;

/** How a process is told that it replaces another: the descriptor of the channel to that one, and what the other will say on it. */
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
 * Reads the marker and takes it out of the environment, so that no child of this process believes it is meant. One that came here through a program
 * in between, without the channel, means nothing. Threads have a copy of the environment, and are no processes.
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
