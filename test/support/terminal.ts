import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import { freeze } from './freeze.ts';
import { guardProcesses } from './guard.ts';
import { ZERO_COMMAND } from './paths.ts';
import { openPty, resizePty, type Size } from './pty.ts';
import { Screen } from './screen.ts';
import type { Scope } from './temporary.ts';
import type { Exit, Zero } from './zero.ts';

/** A program on its own terminal, and a user who reads and types. */
export interface TerminalSession {
  readonly process: ChildProcess;
  /** The visible text. */
  readonly screen: Screen;
  /** Every byte written to the terminal. */
  readonly raw: string;
  /**
   * Resolves when the condition holds, which is checked after each drawing. Later drawings are applied to the screen by
   * the next call, or when the program has exited: no state is missed, however slowly the test reads. Rejects with the
   * whole output when the program exits.
   */
  until(condition: (screen: Screen) => boolean): Promise<void>;
  /** Types: `\u0003` is Ctrl-C. */
  type(text: string): void;
  /** Changes the size between two drawings. */
  resize(size: Size): Promise<void>;
  /** Closes the terminal of the program, like closing its window. */
  hangUp(): void;
  readonly finished: Promise<Exit>;
}

export interface TerminalOptions {
  readonly size?: Size;
  /** Added to this process's environment; undefined removes a variable. NO_COLOR is removed unless it is set here. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Replaces the program's standard output by a pipe that `piped` reads. */
  readonly pipeOutput?: (text: string) => void;
}

const SIZE: Size = { columns: 80, rows: 24 };

// A drawing of zero begins with one of these: erase the line, go up, go to the top (ECMA-48).
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with.
const DRAWING = /(?=\r\u001b\[(?:\d+A|K)|\u001b\[H)/;

/** Starts a program on a pseudo-terminal, which is its controlling terminal: Ctrl-C arrives as SIGINT. */
export function startOnTerminal(
  scope: Scope,
  [program, ...args]: readonly [string, ...string[]],
  { size = SIZE, environment = {}, pipeOutput }: TerminalOptions = {},
): TerminalSession {
  const { master, slave } = openPty(size);
  // setsid(1) of util-linux executes the program with the same pid.
  const child = spawn('setsid', ['--ctty', program, ...args], {
    env: environmentWith(environment),
    stdio: [slave, pipeOutput === undefined ? slave : 'pipe', slave],
  });
  closeSync(slave);
  child.stdout?.setEncoding('utf8').on('data', (text: string) => pipeOutput?.(text));
  const stream = new ReadStream(master);
  const ended = new Promise<Exit>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  // Before the stream is released: a process that still has the terminal open prevents its end.
  scope.after(() => void stream.destroy());
  if (child.pid !== undefined) guardProcesses(scope).own(child.pid);

  const screen = new Screen(size);
  let raw = '';
  let over = false;
  const waiting = new Set<() => void>();
  let unseen: string[] = [];
  const proceed = (): void => {
    while (waiting.size > 0 || over) {
      const drawing = unseen.shift();
      if (drawing === undefined) return;
      screen.write(drawing);
      for (const look of waiting) look();
    }
  };
  const applyAll = (): void => {
    screen.write(unseen.join(''));
    unseen = [];
  };
  stream.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
    unseen.push(...text.split(DRAWING));
    proceed();
  });
  // EIO: the last program has closed the terminal.
  stream.on('error', () => stream.destroy());
  void closed.then(() => {
    over = true;
    proceed();
    for (const look of waiting) look();
  });

  return {
    process: child,
    screen,
    get raw() {
      return raw;
    },
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!condition(screen)) {
            if (!over || unseen.length > 0) return;
            waiting.delete(look);
            reject(new Error(`the program ended, and the terminal shows:\n${screen.text}`));
            return;
          }
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        proceed();
      }),
    type: (text) => void writeSync(master, text),
    async resize(next) {
      if (child.pid === undefined) return;
      await freeze({ pid: child.pid });
      // One whole turn of the event loop reads what it has drawn.
      await turn();
      await turn();
      applyAll();
      screen.resize(next);
      resizePty(master, next);
      child.kill('SIGCONT');
    },
    hangUp: () => void stream.destroy(),
    finished: Promise.all([ended, closed]).then(([exit]) => exit),
  };
}

/** Starts `zero ARGS` on a terminal. With `zero`, `--config` selects that instance. */
export function zeroOnTerminal(
  scope: Scope,
  zero: Pick<Zero, 'config'> | null,
  args: readonly string[],
  options: TerminalOptions = {},
): TerminalSession {
  const instance = zero?.config ? ['--config', zero.config] : [];
  return startOnTerminal(scope, [...ZERO_COMMAND, ...args, ...instance], options);
}

function environmentWith(changes: TerminalOptions['environment']): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, ZERO_CONFIG: '', TERM: 'xterm' };
  // Variables of the test runner, and those that change colours.
  for (const name of ['NODE_TEST_CONTEXT', 'NODE_OPTIONS', 'NO_COLOR', 'FORCE_COLOR'])
    delete environment[name];
  for (const [name, value] of Object.entries(changes ?? {})) {
    if (value === undefined) delete environment[name];
    else environment[name] = value;
  }
  return environment;
}
