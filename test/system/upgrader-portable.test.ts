// The same tests of the library with the implementation for every POSIX system: plain Node, without /proc and FFI.
process.env.ZERODOWN_PLATFORM = 'portable';
await import('./upgrader.test.ts');
await import('./upgrader-bad.test.ts');
await import('./upgrader-faults.test.ts');
await import('./upgrader-nodes.test.ts');
await import('./library-examples.test.ts');
