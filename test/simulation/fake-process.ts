import type { ProcessStat } from '../../src/linux/procfs.ts';
import type { SpawnRequest } from '../../src/linux/spawn.ts';
import type { FakePipe } from './fake-pipe.ts';

/** A process of the fake kernel. The world decides its actions. The kernel performs what the process cannot refuse. */
export class FakeProcess {
  readonly pid: number;
  readonly session: number;
  readonly startTime: number;
  readonly comm: string;
  readonly environment: readonly Buffer[];
  /** The request of its spawn; null for a process that another process forked. */
  readonly request: SpawnRequest | null;
  /** Its ends of pipes, by descriptor number. */
  readonly pipes: Map<number, FakePipe>;
  ppid: number;
  state: 'S' | 'D' | 'Z' = 'S';
  /** Signals received during an uninterruptible sleep. */
  readonly pending = new Set<string>();
  /** The wait status of wait4(2) after its exit. */
  status = 0;
  /** True after it was waited for: then another process may get the pid. */
  reaped = false;
  /** Handles signals other than SIGKILL. Without a handler each of them ends the process. */
  onSignal: ((signal: string) => void) | null = null;
  /** Called when it has exited. */
  onEnd: (() => void) | null = null;
  /** It belongs to another user, and zero has no CAP_KILL: every signal to it fails with EPERM (kill(2)). */
  isProtected = false;

  constructor(
    from: Pick<FakeProcess, 'pid' | 'ppid' | 'session' | 'startTime' | 'comm' | 'environment' | 'pipes'>,
    request: SpawnRequest | null,
  ) {
    this.pid = from.pid;
    this.ppid = from.ppid;
    this.session = from.session;
    this.startTime = from.startTime;
    this.comm = from.comm;
    this.environment = from.environment;
    this.pipes = new Map(from.pipes);
    this.request = request;
  }

  /** SIGKILL arrived during an uninterruptible sleep. */
  get isKilled(): boolean {
    return this.pending.has('SIGKILL');
  }

  get hasExited(): boolean {
    return this.state === 'Z';
  }

  get stat(): ProcessStat {
    const { pid, comm, state, ppid, session, startTime } = this;
    return {
      pid,
      comm,
      state,
      ppid,
      pgrp: session,
      session,
      terminal: 0,
      startTime,
      exiting: this.hasExited,
    };
  }

  /** The value of a variable in its initial environment. */
  variable(name: string): string | undefined {
    const entry = this.environment.find((one) => one.toString().startsWith(`${name}=`));
    return entry?.toString().slice(name.length + 1);
  }

  /** Closes its end of a pipe. */
  closePipe(fd: number): void {
    const pipe = this.pipes.get(fd);
    this.pipes.delete(fd);
    if (pipe) pipe.writers -= 1;
  }

  /** Writes to its standard output; false without a reader. */
  print(text: string): boolean {
    return this.pipes.get(1)?.write(Buffer.from(text)) ?? false;
  }
}
