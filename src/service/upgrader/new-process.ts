import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Socket } from 'node:net';
import { UpgradeError } from '../upgrade-error.ts';
import { Channel } from './channel.ts';
import type { HandedOn } from './descriptor-table.ts';
import { markedEnvironment } from './marker.ts';
import { readToParent, type ToChild, type ToParent, VERSION } from './messages.ts';
import type { Program } from './program.ts';
import { uniqueName } from './unix-path.ts';

/** The first number behind those that every process has. */
const CHANNEL_FD = 3;

/** What is started, and what it gets. */
export interface Prepared {
  readonly program: Program;
  readonly descriptors: readonly HandedOn[];
  /** See `encodeState`. */
  readonly state: string | undefined;
}

type Step = ToParent['type'];

/** The process that is to take over, as the one that started it sees it. */
export class NewProcess {
  readonly #child: ChildProcess;
  readonly #channel: Channel<ToParent, ToChild>;
  readonly #heard = new Set<Step>();
  readonly #waiting = new Map<Step, () => void>();
  readonly #ended: Promise<void>;
  #fail: (error: UpgradeError) => void = () => undefined;
  /** Rejects as soon as this process cannot take over any more. */
  readonly failure: Promise<never>;
  /** Its own pid: where a program in between does not exec, not that of the child. */
  #pid: number;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.#pid = pid;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may fail while nobody waits for it.
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
   * Starts it with the state and the descriptors, behind one another from 4. Rejects with CHILD_EXITED when it cannot
   * be started.
   */
  static async start({ program, descriptors, state }: Prepared): Promise<NewProcess> {
    // Not loaded in a service that never upgrades.
    const { spawn } = await import('node:child_process');
    const token = uniqueName();
    // A number in stdio is duplicated for the child and stays what it is here.
    const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'pipe', ...descriptors.map(({ fd }) => fd)];
    const { file, argv0, args, directory, environment } = program;
    const env = markedEnvironment(environment, { channel: CHANNEL_FD, token });
    const child = await new Promise<ChildProcess>((resolve, reject) => {
      const started = spawn(file, args, { argv0, cwd: directory, env, stdio });
      started.once('spawn', () => resolve(started));
      started.once('error', reject);
    }).catch((error: Error) => {
      throw childExited(`start ${file}: ${error.message}`, error);
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

  /** Resolves once it has said so; `failure` is for when it does not. */
  said(step: Step): Promise<void> {
    if (this.#heard.has(step)) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.set(step, resolve));
  }

  takeOver(): void {
    this.#channel.send({ type: 'take_over' });
  }

  /** This process accepts nothing any more. */
  letGo(): void {
    this.#channel.send({ type: 'let_go' });
  }

  /** It goes its own way: this process does not wait for it. */
  leave(): void {
    this.#child.unref();
    this.#channel.hold(false);
  }

  /**
   * Ends it and resolves when it is gone. One that serves already is asked first, because clients may have connections to it: SIGKILL after
   * `patienceMs`; 0 is at once.
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
      // ESRCH: it is gone.
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
    // Its end follows and says how; one that closed the channel and lives is none of ours.
    else this.#kill('SIGKILL');
  }

  #failed(message: string, cause?: unknown): void {
    this.#fail(childExited(message, cause));
  }
}

const childExited = (message: string, cause?: unknown): UpgradeError =>
  new UpgradeError('CHILD_EXITED', message, cause);
