import { constants, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { removeFile } from '../../common/files.ts';
import { ownProgram } from '../../common/own-program.ts';
import { shellWord } from '../../common/text.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { FIFO_FD } from './keeper-script.ts';
import type { KeeperSystem } from './keeper-system.ts';

/** The content of the sender's last datagram. The other datagrams carry descriptors. */
export const LAST = 'end';

/** How long the sender may take, in milliseconds. */
const TIMEOUT = 2000;

/**
 * Orders a keeper to start the program that sends its descriptors, and receives them. A child of the keeper inherits
 * the sockets without permission to trace the keeper. Returns the writing end of the keeper's FIFO, which stays open
 * until the keeper has ended; null if the keeper did not receive the order. Never rejects.
 * @param receive called with the descriptors of each datagram, which the callee must close
 */
export async function askSender(
  { pid }: ProcessIdentity,
  runtimeDirectory: string,
  system: KeeperSystem,
  receive: (fds: readonly number[]) => void,
): Promise<number | null> {
  const { kernel, writeOwnFile, uid } = system;
  const socketPath = path.join(runtimeDirectory, 'take.sock');
  const script = path.join(runtimeDirectory, 'sender.sh');
  let socket: number | null = null;
  let orders: number | null = null;
  try {
    const gid = process.getegid?.() ?? 0;
    socket = kernel.createDatagramSocket(socketPath, { uid, gid, mode: 0o600 });
    const command = [...ownProgram('lane-sender', import.meta.url), socketPath].map(shellWord).join(' ');
    // NODE_OPTIONS of the service must not affect this program.
    writeOwnFile(script, `unset NODE_OPTIONS\nexec ${command}\n`);
    // The keeper has a reading end, so this open does not wait (fifo(7)). The name of the FIFO may no longer exist.
    orders = openSync(`/proc/${pid}/fd/${FIFO_FD}`, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(orders, `run ${script}\n`);
    await receiveAll(socket, system, receive);
  } catch {
    // zero takes missing sockets from the workers, or opens them again.
  } finally {
    if (socket !== null) kernel.closeFd(socket);
    for (const file of [socketPath, script]) removeFile(file);
  }
  return orders;
}

function receiveAll(
  socket: number,
  { kernel, uid }: KeeperSystem,
  receive: (fds: readonly number[]) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      watch.close();
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error('the sender did not answer'));
    }, TIMEOUT);
    const watch = kernel.watch(socket, () => {
      try {
        for (
          let next = kernel.receiveDatagram(socket);
          next !== null;
          next = kernel.receiveDatagram(socket)
        ) {
          // The mode of the socket admits only root and this user.
          if (next.sender?.uid !== uid) continue;
          receive(next.fds);
          if (next.data.toString() !== LAST) continue;
          stop();
          resolve();
          return;
        }
      } catch (error) {
        stop();
        reject(error);
      }
    });
  });
}
