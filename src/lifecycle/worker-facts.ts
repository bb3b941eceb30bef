import type { ExitStatus, Failure, ReplacementCause, Usage } from './facts.ts';

/** Facts about one worker. */
export type WorkerFact =
  /** A worker of a previous supervisor belongs to this one. */
  | {
      readonly event: 'worker_adopted';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  /** The output of an adopted worker cannot be read any more. */
  | {
      readonly event: 'output_lost';
      readonly generation: number;
      readonly worker: number;
      readonly stream: 'stdout' | 'stderr';
      readonly reason: string;
    }
  /** An adopted worker did not report readiness. It may have done so while no supervisor ran. */
  | {
      readonly event: 'notify_lost';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  | {
      readonly event: 'worker_spawned';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  | {
      readonly event: 'worker_spawn_failed';
      readonly generation: number;
      readonly worker: number;
      readonly step: string;
      readonly reason: string;
    }
  | {
      readonly event: 'gate_passed';
      readonly generation: number;
      readonly worker: number;
      readonly gate: string;
      readonly after: number;
    }
  | {
      readonly event: 'worker_ready';
      readonly generation: number;
      readonly worker: number;
      readonly after: number;
    }
  | {
      readonly event: 'worker_not_ready';
      readonly generation: number;
      readonly worker: number;
      readonly waiting: readonly string[];
      readonly after: number;
    }
  | {
      readonly event: 'worker_exited';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly exit: ExitStatus;
      readonly expected: boolean;
      readonly usage: Usage | null;
      readonly uptime: number;
      /** The reason, if more is known than the exit status: another process holds an address. */
      readonly reason?: string;
    }
  | {
      readonly event: 'worker_restarting';
      readonly generation: number;
      readonly worker: number;
      readonly delay: number;
      readonly attempt: number;
    }
  /**
   * A worker was restarted several times in a row, and no other worker of its generation was in a crash loop. Reported
   * once per crash loop of a generation. `reason`: how the worker last exited.
   */
  | {
      readonly event: 'crash_loop';
      readonly generation: number;
      readonly worker: number;
      readonly restarts: number;
      readonly reason: string;
    }
  | {
      readonly event: 'worker_pid_changed';
      readonly generation: number;
      readonly worker: number;
      readonly from: number;
      readonly pid: number;
    }
  | {
      readonly event: 'worker_signalled';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly signal: string;
    }
  | {
      readonly event: 'worker_killed';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly reason: string;
    }
  /** The kernel refused a signal permanently. The process keeps running until it exits on its own. */
  | {
      readonly event: 'worker_not_stoppable';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly signal: string;
      readonly reason: string;
    }
  | {
      readonly event: 'leftovers_killed';
      readonly generation: number;
      readonly worker: number;
      readonly pids: readonly number[];
    }
  | { readonly event: 'worker_stalled'; readonly generation: number; readonly worker: number }
  /** A hung worker accepts again, was asked to stop, or has exited. */
  | {
      readonly event: 'worker_stall_ended';
      readonly generation: number;
      readonly worker: number;
      readonly how: 'recovered' | 'stopping' | 'exited';
    }
  /** Its liveness check fails. `all`: no other worker is known to pass, so zero only reports. */
  | {
      readonly event: 'worker_unhealthy';
      readonly generation: number;
      readonly worker: number;
      readonly reason: string;
      readonly all: boolean;
    }
  | { readonly event: 'worker_healthy'; readonly generation: number; readonly worker: number }
  /** A new worker is started in its place. Until that one is ready, the old worker keeps its connections. */
  | {
      readonly event: 'worker_replacing';
      readonly generation: number;
      readonly worker: number;
      readonly replacement: number;
      readonly cause: ReplacementCause;
      readonly reason: string;
    }
  /** The new worker is ready and has replaced it; the old one retires. */
  | {
      readonly event: 'worker_replaced';
      readonly generation: number;
      readonly worker: number;
      readonly replacement: number;
      readonly cause: ReplacementCause;
      readonly after: number;
    }
  /** The new worker failed: the old one stays. */
  | {
      readonly event: 'worker_replacement_failed';
      readonly generation: number;
      readonly worker: number;
      readonly cause: ReplacementCause;
      /** Milliseconds until zero may attempt it again. */
      readonly retryIn: number;
      readonly failure: Failure;
    }
  | {
      readonly event: 'lane_relieved';
      readonly generation: number;
      readonly worker: number;
      readonly lane: number;
    }
  | {
      readonly event: 'idle_connections_ended';
      readonly generation: number;
      readonly worker: number;
      readonly connections: number;
    };
