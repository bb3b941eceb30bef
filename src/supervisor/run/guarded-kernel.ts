import type { Kernel } from '../../linux/kernel.ts';
import type { Watch } from '../../linux/reactor.ts';
import type { Boundary } from './boundary.ts';

/**
 * A watch whose callback fails this often in a row is closed. Its descriptor stays readable, so the callback would fail
 * forever.
 */
const MAX_FAILURES = 10;

/**
 * The kernel with callbacks that run inside the error boundary. An exception in one callback stops neither the others
 * nor the process.
 */
export function guardedKernel(kernel: Kernel, boundary: Boundary): Kernel {
  return {
    pid: kernel.pid,
    spawn: (request) => kernel.spawn(request),
    reapOne: () => kernel.reapOne(),
    openPidfd: (pid) => kernel.openPidfd(pid),
    sendSignal: (pidfd, signal) => kernel.sendSignal(pidfd, signal),
    processStat: (pid) => kernel.processStat(pid),
    listProcesses: () => kernel.listProcesses(),
    environmentOf: (pid) => kernel.environmentOf(pid),
    argumentsOf: (pid) => kernel.argumentsOf(pid),
    closeFd: (fd) => kernel.closeFd(fd),
    setBlocking: (fd, blocking) => kernel.setBlocking(fd, blocking),
    openMemoryFile: (name, content) => kernel.openMemoryFile(name, content),
    openPipe: () => kernel.openPipe(),
    openPipeOf: (pid, fd, inode) => kernel.openPipeOf(pid, fd, inode),
    inodeOf: (fd) => kernel.inodeOf(fd),
    openOutputPipe: (owner) => kernel.openOutputPipe(owner),
    readNow: (fd, chunk) => kernel.readNow(fd, chunk),
    withSpare: (act) => kernel.withSpare(act),
    createDatagramSocket: (path, access) => kernel.createDatagramSocket(path, access),
    receiveDatagram: (fd) => kernel.receiveDatagram(fd),
    unlink: (path) => kernel.unlink(path),
    onChildSignal: (listener) => kernel.onChildSignal(boundary.guard('reap', listener)),
    watch: (fd, onReadable) => watchGuarded(kernel, boundary, fd, onReadable),
    readPipe: (fd, events) =>
      kernel.readPipe(fd, {
        data: boundary.guard('read output', (chunk: Buffer) => events.data(chunk)),
        end: boundary.guard('end of output', (error: Error | null) => events.end(error)),
      }),
    defer: (run) => kernel.defer(boundary.guard('continue', run)),
  };
}

function watchGuarded(kernel: Kernel, boundary: Boundary, fd: number, onReadable: () => void): Watch {
  let failures = 0;
  const watch = kernel.watch(fd, () => {
    failures = boundary.succeeds('read a descriptor', onReadable) ? 0 : failures + 1;
    if (failures >= MAX_FAILURES) watch.close();
  });
  return watch;
}
