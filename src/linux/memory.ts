import { rawCall } from './libc.ts';

/** Gives what was freed back to the system, of which the C library keeps some megabytes otherwise (malloc_trim(3)). Takes a few milliseconds. */
export function releaseFreedMemory(): void {
  rawCall('malloc_trim', 0);
}
