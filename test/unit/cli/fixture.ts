import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandContext } from '../../../src/cli/with-instance.ts';
import { type ControlServer, createControlServer } from '../../../src/control/server.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { FakeControl } from '../control/fake-control.ts';

export interface Desk {
  readonly root: string;
  readonly context: CommandContext;
  readonly interrupt: () => void;
  /** Everything written so far. */
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves as soon as this text has been written to err. */
  shown(text: string): Promise<void>;
  /** Calls what was asked for each second. */
  readonly tick: () => void;
  /** A supervisor of this name. */
  run(name: string): Promise<{ control: FakeControl; server: ControlServer; path: string }>;
}

/** A machine with nothing but a folder for instances, and somebody at a terminal or not. */
export function desk(
  scope: Scope,
  options: { interactive?: boolean; environment?: Record<string, string> } = {},
): Desk {
  const root = temporaryFolder(scope);
  const controller = new AbortController();
  const written = { out: '', err: '' };
  let now = 0;
  let second = () => {};
  const waiting: { text: string; found: () => void }[] = [];
  return {
    root,
    interrupt: () => controller.abort(),
    out: () => written.out,
    err: () => written.err,
    shown: (text) =>
      new Promise((found) => {
        if (written.err.includes(text)) found();
        else waiting.push({ text, found });
      }),
    tick: () => {
      now += 1000;
      second();
    },
    context: {
      interrupted: controller.signal,
      surroundings: { environment: options.environment ?? {}, roots: [root] },
      clock: {
        now: () => now,
        every: (_, run) => {
          second = run;
          return () => {
            second = () => {};
          };
        },
      },
      terminal: {
        out: (text) => {
          written.out += text;
        },
        err: (text) => {
          written.err += text;
          for (const waiter of waiting) if (written.err.includes(waiter.text)) waiter.found();
        },
        interactive: options.interactive ?? false,
        outColour: false,
        errColour: false,
      },
    },
    async run(name) {
      const control = new FakeControl();
      mkdirSync(join(root, name), { recursive: true });
      const path = join(root, name, 'control.sock');
      const server = await createControlServer({
        path,
        mode: 0o600,
        group: null,
        control,
        version: '1',
        warn: () => {},
      });
      scope.after(() => server.close());
      return { control, server, path };
    },
  };
}
