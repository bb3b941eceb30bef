import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFifo } from '../../src/linux/pipes.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The moments at which a Node program can pause. */
const MOMENTS = {
  /** The program of an upgrade of zero before it has a signal handler. */
  upgrade: 'if (process.env.ZERO_UPGRADE !== undefined) pause();',
  /** A command before it connects to zero. */
  connect: `
    const { Socket } = require('node:net');
    const { connect } = Socket.prototype;
    Socket.prototype.connect = function (...args) {
      pause();
      return connect.apply(this, args);
    };`,
} as const;

/** One pause of a Node program. Without it the test would have to be faster than the program. */
export interface Pause {
  /** For the program. */
  readonly environment: { readonly NODE_OPTIONS: string };
  /** Resolves when the program has paused. */
  reached(): Promise<void>;
  /** Lets it continue. It does not pause again. */
  end(): Promise<void>;
}

export function pauseAt(scope: Scope, moment: keyof typeof MOMENTS): Pause {
  let fifo = '';
  let held: Promise<FileHandle> | null = null;
  // Before the directory, because cleanup runs in this order. A reader ends the wait for one (fifo(7)).
  scope.after(async () => {
    if (held === null) return;
    const reader = openSync(fifo, constants.O_RDWR);
    await (await held).close();
    closeSync(reader);
  });
  const folder = temporaryFolder(scope);
  fifo = join(folder, 'pause');
  makeFifo(fifo, 0o600);
  const module = join(folder, 'pause.cjs');
  writeFileSync(
    module,
    `const { closeSync, openSync, readSync } = require('node:fs');
    let isOver = false;
    function pause() {
      if (isOver) return;
      isOver = true;
      const fd = openSync(${JSON.stringify(fifo)}, 'r');
      readSync(fd, Buffer.alloc(1));
      closeSync(fd);
    }
    ${MOMENTS[moment]}`,
  );
  return {
    environment: { NODE_OPTIONS: `--require=${module}` },
    async reached() {
      held = open(fifo, 'w');
      await held;
    },
    async end() {
      await (await held)?.close();
      held = null;
    },
  };
}
