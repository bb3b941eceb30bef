/**
 * Another descriptor of the same open socket, closed in children. Node has no dup(2), so the FFI package is loaded
 * for this.
 * @throws Error where the descriptor cannot be duplicated: EMFILE, or the FFI package cannot be loaded here
 */
export function duplicate(fd: number): number {
  if (process.platform !== 'linux') throw new Error('descriptors can be duplicated on Linux only');
  const { duplicateAbove }: typeof import('../../linux/sockets.ts') = require('../../linux/sockets.ts');
  // Above those of standard input and output.
  return duplicateAbove(fd, 3);
}
