import { connect } from 'node:net';

/** Whoever does not take a line of 40 bytes in this time never will. */
const TIMEOUT = 5_000;

/** The acknowledgement that Einhorn waits for before it counts a worker as up. Rejects with why it was not sent. */
export function acknowledge(path: string, pid: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(TIMEOUT, () => socket.destroy(new Error(`no answer for ${TIMEOUT} ms`)));
    socket.once('error', reject);
    socket.once('close', () => resolve());
    socket.end(`${JSON.stringify({ command: 'worker:ack', pid })}\n`, () => socket.destroy());
  });
}
