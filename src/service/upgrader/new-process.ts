import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Socket } from 'node:net';
import { UpgradeError } from '../upgrade-error.ts';
import { Channel } from './channel.ts';
import type { HandedOn } from './descriptor-table.ts';
import { markedEnvironment } from './marker.ts';
import { readToParent, type ToChild, type ToParent, VERSION } from './messages.ts';
import type { Program } from './program.ts';
import { uniqueName } from './unix-path.ts';

/** The first number after standard input, output and error. */
const CHANNEL_FD = 3;

/** The program to start, with its state and descriptors. */
export interface Prepared {
  readonly program: Program;
  readonly descriptors: readonly HandedOn[];
  /** See `encodeState`. */
  readonly state: string | undefined;
}

type Step = ToParent['type'];

/** The new process during an upgrade, as seen by the process that started it. */
export class NewProcess {
  readonly #child: ChildProcess;
  readonly #channel: Channel<ToParent, ToChild>;
  readonly #heard = new Set<Step>();
  readonly #waiting = new Map<Step, () => void>();
  readonly #ended: Promise<void>;
  #fail: (error: UpgradeError) => void = () => undefined;
  /** Rejects as soon as the new process can no longer take over. */
  readonly failure: Promise<never>;
  /**
   * The pid that the new process reports. It differs from the pid of the child if an intermediate program does not
   * exec.
   */
  #pid: number;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.#pid = pid;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // The failure may come while nothing awaits it.
    this.failure.catch(() => undefined);
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#fail(
          childExited(
            `the new process (pid ${pid}) ended with ${signal ?? `code ${code}`} before it had taken over`,
          ),
        );
        resolve();
      });
    });
    this.#channel = new Channel(child.stdio[CHANNEL_FD] as Socket, readToParent, {
      message: (message) => this.#received(message),
      closed: (error) => this.#closed(error),
    });
  }

  /**
   * Starts the process with the state and the descriptors, which are numbered from 4 on. Rejects with CHILD_EXITED if
   * the process cannot be started.
   */
  static async start({ program, descriptors, state }: Prepared): Promise<NewProcess> {
    // Loaded on demand: most services never upgrade.
    const { spawn } = await import('node:child_process');
    const token = uniqueName();
    // A number in stdio is duplicated for the child and keeps its number here.
    const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'pipe', ...descriptors.map(({ fd }) => fd)];
    const { file, argv0, args, directory, environment } = program;
    const env = markedEnvironment(environment, { channel: CHANNEL_FD, token });
    const child = await new Promise<ChildProcess>((resolve, reject) => {
      const started = spawn(file, args, { argv0, cwd: directory, env, stdio });
      started.once('spawn', () => resolve(started));
      started.once('error', reject);
    }).catch((error: Error) => {
      throw childExited(`cannot start ${file}: ${error.message}`, error);
    });
    const { pid = 0 } = child;
    const process = new NewProcess(child, pid);
    process.#channel.send({
      type: 'inherit',
      version: VERSION,
      token,
      pid: globalThis.process.pid,
      descriptors: descriptors.map(({ described }, index) => ({ ...described, fd: CHANNEL_FD + 1 + index })),
      ...(state !== undefined && { state }),
    });
    return process;
  }

  get pid(): number {
    return this.#pid;
  }

  /** Resolves after the process has reported this step; `failure` rejects if it does not. */
  said(step: Step): Promise<void> {
    if (this.#heard.has(step)) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.set(step, resolve));
  }

  takeOver(): void {
    this.#channel.send({ type: 'take_over' });
  }

  /** Reports that this process accepts no more connections. */
  release(): void {
    this.#channel.send({ type: 'let_go' });
  }

  /** Detaches the process: this process no longer waits for it. */
  leave(): void {
    this.#child.unref();
    this.#channel.hold(false);
  }

  /**
   * Ends the process and resolves when it has exited. A process that already serves is asked first, because clients may
   * have connections to it: SIGKILL follows after `patienceMs`, or at once for 0.
   */
  async end(patienceMs: number): Promise<void> {
    this.#kill(patienceMs > 0 ? 'SIGTERM' : 'SIGKILL');
    const timer = setTimeout(() => this.#kill('SIGKILL'), patienceMs);
    await this.#ended;
    clearTimeout(timer);
    this.#channel.destroy();
  }

  #kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
    if (this.#pid === this.#child.pid) return;
    try {
      process.kill(this.#pid, signal);
    } catch {
      // ESRCH: the process has exited.
    }
  }

  #received(message: ToParent): void {
    if (message.type === 'failed') {
      this.#failed(`the new process (pid ${this.#pid}) could not take over: ${message.message}`);
      return;
    }
    if (message.type === 'hello') {
      this.#pid = message.pid;
      if (message.version !== VERSION)
        this.#failed(`the new process uses version ${message.version}, this one ${VERSION}`);
    }
    this.#heard.add(message.type);
    this.#waiting.get(message.type)?.();
  }

  #closed(error: Error | null): void {
    if (error !== null) this.#failed(`the new process (pid ${this.#pid}) sent an invalid message`, error);
    // The exit event follows and has the reason. A running process that closed the channel does not use this library.
    else this.#kill('SIGKILL');
  }

  #failed(message: string, cause?: unknown): void {
    this.#fail(childExited(message, cause));
  }
}

const childExited = (message: string, cause?: unknown): UpgradeError =>
  new UpgradeError('CHILD_EXITED', message, cause);
