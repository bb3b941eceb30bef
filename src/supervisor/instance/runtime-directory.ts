import { closeSync, existsSync, fstatSync, statSync } from 'node:fs';
import path from 'node:path';
import { errorText } from '../../common/errors.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { watchRemovals } from '../../linux/inotify.ts';
import type { Timers } from '../../readiness/index.ts';
import { claimInstance, makeNotifyDirectory } from './claim.ts';
import { type Instance, LOCK } from './instance.ts';

export interface RuntimeDirectoryContext {
  readonly instance: Instance;
  /** As for claimInstance(). */
  readonly nameOption: 'runtime.name' | '--name';
  /** The descriptor of the lock that claimInstance() took. */
  readonly lock: number;
  readonly timers: Timers;
  /** The path of the control socket; null before it is open. */
  readonly controlSocket: () => string | null;
  /** Creates the content of the directory again, except the lock. Idempotent. */
  readonly restore: () => Promise<void>;
  readonly report: (fact: Fact) => void;
}

/** The removal of a whole directory causes many events. The check starts this many milliseconds after the first one. */
const PAUSE = 100;

/** Milliseconds between two attempts, at first and at most. */
const RETRY = { first: 1_000, most: 3_600_000 };

/**
 * Owns the lock of the instance, and creates the runtime directory again if it is deleted while zero runs. Without the
 * directory, commands do not find the instance and no worker can be started. Uses inotify(7) instead of polling.
 */
export class RuntimeDirectory {
  readonly #context: RuntimeDirectoryContext;
  #lock: number;
  #watch: { close(): void } | null = null;
  #timer: unknown = null;
  #isRestoring = false;
  #delay = 0;
  #isClosed = false;

  constructor(context: RuntimeDirectoryContext) {
    this.#context = context;
    this.#lock = context.lock;
  }

  /** The descriptor of the lock. */
  get lock(): number {
    return this.#lock;
  }

  /**
   * Watches the directory from now on. If the kernel refuses a watch (EMFILE, ENOSPC), only look() detects the
   * deletion.
   */
  open(): void {
    this.#watch?.close();
    this.#watch = null;
    try {
      this.#watch = watchRemovals(this.#context.instance.runtimeDirectory, () => this.look());
    } catch {
      // The next failed write of the state calls look().
    }
  }

  /** Checks the directory soon, because a part of it may have been removed. */
  look(): void {
    if (this.#timer === null) this.#after(PAUSE);
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
    if (this.#timer !== null) this.#context.timers.clear(this.#timer);
  }

  #after(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#context.timers.set(ms, () => {
      this.#timer = null;
      if (!this.#isRestoring && !this.#isWhole()) void this.#restore();
    });
  }

  #isWhole(): boolean {
    const { instance, controlSocket } = this.#context;
    const paths = [path.join(instance.runtimeDirectory, 'notify'), controlSocket()];
    return this.#hasLock() && paths.every((one) => one === null || existsSync(one));
  }

  /** Whether the lock file is the one that this process has locked. */
  #hasLock(): boolean {
    try {
      const found = statSync(path.join(this.#context.instance.runtimeDirectory, LOCK));
      const own = fstatSync(this.#lock);
      return found.ino === own.ino && found.dev === own.dev;
    } catch {
      return false;
    }
  }

  async #restore(): Promise<void> {
    const { instance, nameOption, restore, report } = this.#context;
    const directory = instance.runtimeDirectory;
    this.#isRestoring = true;
    try {
      await this.#claim(nameOption);
      await restore();
      this.open();
      const message = `runtime directory ${directory} or a part of it was deleted while zero was running. zero created it again, with its lock, sockets and state. Find out what deletes it: meanwhile no command can reach zero.`;
      report({ event: 'warning', about: 'runtime', message });
      this.#delay = 0;
    } catch (error) {
      if (this.#delay === 0) {
        const message = `restore runtime directory: ${errorText(error)}. The directory was deleted while zero was running. The service keeps running, but no command can reach zero. zero tries again.`;
        report({ event: 'error', step: 'restore runtime directory', message });
      }
      this.#delay = Math.min(RETRY.most, Math.max(RETRY.first, this.#delay * 2));
      this.#after(this.#delay);
    } finally {
      this.#isRestoring = false;
    }
    // The directory may have been deleted again before it was watched.
    if (this.#delay === 0 && !this.#isWhole()) this.look();
  }

  /** Takes the lock of the new directory before another supervisor does. Creates the directory of notify sockets. */
  async #claim(nameOption: RuntimeDirectoryContext['nameOption']): Promise<void> {
    const before = this.#lock;
    if (this.#hasLock()) {
      makeNotifyDirectory(this.#context.instance.runtimeDirectory);
      return;
    }
    const { lock } = await claimInstance(this.#context.instance, nameOption);
    this.#lock = lock;
    closeSync(before);
  }
}
