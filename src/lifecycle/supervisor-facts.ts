import type { RecoveredBy, SocketSource } from './facts.ts';

/** Facts about zero itself: its start and end, its sockets and files, and its failures. */
export type SupervisorFact =
  | {
      readonly event: 'supervisor_started';
      readonly name: string;
      readonly pid: number;
      readonly version: string;
      readonly config: string | null;
    }
  /**
   * A supervisor continues the service of one that has died, or of its own process after an upgrade in place.
   * `previous`: the pid of the previous supervisor. `adopted` and `gone` count workers.
   */
  | {
      readonly event: 'supervisor_recovered';
      readonly previous: number;
      readonly by: RecoveredBy;
      readonly adopted: number;
      readonly gone: number;
      readonly generations: readonly number[];
      /** The serving generation; null if none serves. */
      readonly incumbent: number | null;
      readonly socketsFrom: readonly SocketSource[];
      readonly duration: number;
    }
  /**
   * zero has adopted a service that another program started. `pid`: its main process. `processes`: that process and its
   * descendants. `addresses`: where it listens.
   */
  | {
      readonly event: 'service_adopted';
      readonly generation: number;
      readonly pid: number;
      readonly processes: number;
      readonly addresses: readonly string[];
    }
  /** The process is about to execute this version of zero, which passed its dry run. */
  | {
      readonly event: 'supervisor_upgrading';
      readonly from: string;
      readonly to: string;
      readonly path: string;
      readonly node: string;
    }
  | {
      readonly event: 'supervisor_upgraded';
      readonly from: string;
      readonly to: string;
      readonly duration: number;
    }
  /** A process holds all of these sockets, so that none closes when the supervisor dies. */
  | { readonly event: 'keeper_started'; readonly pid: number; readonly sockets: number }
  /** No keeper process runs, or it does not hold the newest sockets. It is started again. */
  | { readonly event: 'keeper_lost'; readonly reason: string }
  /** The recorded state of an earlier supervisor is unusable. Its file was renamed. */
  | {
      readonly event: 'state_set_aside';
      readonly file: string;
      readonly reason: string;
      /** True: the file is damaged. False: the machine or the service was restarted. */
      readonly damaged: boolean;
    }
  | {
      readonly event: 'listener_bound';
      readonly listener: string;
      readonly address: string;
      readonly fd: number;
    }
  | { readonly event: 'listener_closed'; readonly listener: string; readonly address: string }
  | {
      readonly event: 'output_dropped';
      /** `file`: an output file of the service. */
      readonly stream: 'stdout' | 'stderr' | 'file';
      readonly lines: number;
      readonly bytes: number;
    }
  /** A change of these files starts a deploy from now on. */
  | { readonly event: 'watching'; readonly paths: readonly string[] }
  | { readonly event: 'admin_listening'; readonly address: string }
  | { readonly event: 'admin_closed'; readonly address: string }
  | { readonly event: 'stop_requested'; readonly by: string; readonly now: boolean }
  | {
      readonly event: 'supervisor_stopped';
      readonly code: number;
      readonly reason: string;
      readonly duration: number;
    }
  | { readonly event: 'warning'; readonly about: string; readonly message: string }
  /** A step failed, or an exception was caught. `stack` only for a bug in zero itself. */
  | {
      readonly event: 'error';
      readonly step: string;
      readonly message: string;
      readonly subject?: string;
      readonly errno?: string;
      readonly stack?: string;
    };
