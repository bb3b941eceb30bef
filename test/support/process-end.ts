import { pidfdOpen } from '../../src/linux/processes.ts';
import { reactor } from '../../src/linux/reactor.ts';
import { closeFd } from '../../src/linux/sockets.ts';

/** Resolves when the process has ended, or immediately if it does not exist. It need not be a child. */
export function whenEnded(pid: number): Promise<void> {
  return new Promise((resolve) => {
    let pidfd: number;
    try {
      pidfd = pidfdOpen(pid);
    } catch {
      resolve();
      return;
    }
    const watch = reactor.watch(pidfd, () => {
      watch.close();
      closeFd(pidfd);
      resolve();
    });
  });
}
