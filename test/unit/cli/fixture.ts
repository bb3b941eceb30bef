import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Size } from '../../../src/cli/render/style.ts';
import type { CommandContext } from '../../../src/cli/with-instance.ts';
import { type ControlServer, createControlServer } from '../../../src/control/server.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { FakeControl, FakeViews } from '../control/fake-control.ts';

export interface CliFixture {
  readonly root: string;
  readonly context: CommandContext;
  readonly interrupt: () => void;
  /** The output so far. */
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves when this text has been written to err. */
  shown(text: string): Promise<void>;
  /** The same for out. */
  printed(text: string): Promise<void>;
  /** Runs the callback of each second. */
  readonly tick: () => void;
  /** Starts a supervisor with this name. */
  run(name: string): Promise<{ control: FakeControl; views: FakeViews; server: ControlServer; path: string }>;
}

/** A machine with only a directory for instances, with or without a terminal. */
export function cliFixture(
  scope: Scope,
  options: { interactive?: boolean; size?: Size; environment?: Record<string, string> } = {},
): CliFixture {
  const root = temporaryFolder(scope);
  const controller = new AbortController();
  const written = { out: '', err: '' };
  let now = 0;
  let second = () => {};
  const waiting: { on: 'out' | 'err'; text: string; found: () => void }[] = [];
  const until = (on: 'out' | 'err', text: string): Promise<void> =>
    new Promise((found) => {
      if (written[on].includes(text)) found();
      else waiting.push({ on, text, found });
    });
  const look = (): void => {
    for (const { on, text, found } of waiting) if (written[on].includes(text)) found();
  };
  return {
    root,
    interrupt: () => controller.abort(),
    out: () => written.out,
    err: () => written.err,
    shown: (text) => until('err', text),
    printed: (text) => until('out', text),
    tick: () => {
      now += 1000;
      second();
    },
    context: {
      interrupted: controller.signal,
      surroundings: {
        environment: options.environment ?? {},
        uid: process.geteuid?.() ?? 0,
        roots: [{ directory: root, uid: null }],
        folders: [root],
      },
      clock: {
        now: () => now,
        after: (_, run) => void setImmediate(run),
        every: (_, run) => {
          second = run;
          return () => {
            second = () => {};
          };
        },
      },
      terminal: {
        out: (text) => {
          written.out += typeof text === 'string' ? text : Buffer.from(text).toString('latin1');
          look();
        },
        taken: async () => true,
        size: () => options.size ?? null,
        resized: () => () => {},
        err: (text) => {
          written.err += text;
          look();
        },
        interactive: options.interactive ?? false,
        outColour: false,
        errColour: false,
      },
    },
    async run(name) {
      const control = new FakeControl();
      const views = new FakeViews();
      mkdirSync(join(root, name), { recursive: true });
      const path = join(root, name, 'control.sock');
      const server = await createControlServer({
        path,
        mode: 0o600,
        group: null,
        control,
        views,
        identity: { version: '1', name, pid: 4242 },
        warn: () => {},
      });
      scope.after(() => server.close());
      return { control, views, server, path };
    },
  };
}
