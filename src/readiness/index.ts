import type { Timers } from '../common/clock.ts';
import type { Turns } from '../common/slices.ts';
import type { ReadinessConfig } from '../config/schema.ts';
import type { DescriptorCalls } from '../linux/kernel.ts';
import { acceptListeners, startAcceptGate } from './accept.ts';
import { type RunCommand, startCommandGate } from './command.ts';
import type { Gate, GateCallbacks, GateName } from './gate.ts';
import { startHttpGate } from './http.ts';
import { startNotifyGate } from './notify.ts';
import type { NotifySource } from './notify-socket.ts';
import type { OpenProbe } from './probes.ts';
import { startReadyFdGate } from './ready-fd.ts';
import { startTcpGate } from './tcp.ts';

export type { Timers } from '../common/clock.ts';
export { type AcceptConfig, acceptListeners } from './accept.ts';
export type { CommandResult, RunCommand } from './command.ts';
export type { GateName, GateReason } from './gate.ts';
export { type Liveness, startLiveness } from './liveness.ts';
export { NotifySocket, type NotifySource } from './notify-socket.ts';
export type { OpenProbe } from './probes.ts';
export { startVerify } from './verify.ts';
export { WatchdogReports } from './watchdog-reports.ts';

/** Input of the gates of one worker. */
export interface GatesContext {
  readonly kernel: Pick<DescriptorCalls, 'readPipe'>;
  /** Required if `notify` is on. */
  readonly notify: NotifySource | null;
  /** The read end of the ready pipe, in the supervisor. Required if `ready_fd` is set. The gates close it. */
  readonly readyPipe: number | null;
  readonly runCommand: RunCommand;
  /** Opens a connection to this worker's lane of a listener. Null without steering. */
  readonly openProbe: OpenProbe | null;
  /** Names of the steered listeners. */
  readonly steered: readonly string[];
  readonly timers: Timers;
  readonly turns: Turns;
  passed(gate: GateName): void;
  failed(gate: GateName, reason: string): void;
}

export interface Gates {
  /** The gates that have not passed yet, with the last reason if one is known. */
  waiting(): readonly { readonly gate: GateName; readonly reason: string | null }[];
  /** No callback follows. Idempotent. */
  close(): void;
}

/** A config without gates. */
export const NO_GATES: ReadinessConfig = { accept: false, notify: false, timeout: 0 };

type IsOn = (config: ReadinessConfig, steered: readonly string[]) => boolean;

/** How a config turns on each gate. A gate that is missing here does not compile. */
const IS_ON: Readonly<Record<GateName, IsOn>> = {
  accept: ({ accept }, steered) => acceptListeners(accept, steered).length > 0,
  notify: ({ notify }) => notify,
  ready_fd: ({ ready_fd }) => ready_fd !== undefined,
  http: ({ http }) => http !== undefined,
  tcp: ({ tcp }) => tcp !== undefined,
  command: ({ command }) => command !== undefined,
};

/**
 * Names of the gates that a worker must pass under this config.
 * @param steered names of the steered listeners
 */
export function gateNames(config: ReadinessConfig, steered: readonly string[]): readonly GateName[] {
  return (Object.keys(IS_ON) as GateName[]).filter((name) => IS_ON[name](config, steered));
}

/** The config with only those of its gates that `keep` returns true for. */
export function onlyGates(config: ReadinessConfig, keep: (gate: GateName) => boolean): ReadinessConfig {
  const kept = Object.entries(config).filter(([key]) => key === 'timeout' || keep(key as GateName));
  return { ...NO_GATES, ...Object.fromEntries(kept) };
}

/** Starts every gate of the config for one worker, right after its spawn. No callback comes before this returns. */
export function startGates(config: ReadinessConfig, context: GatesContext): Gates {
  const gates = new Map<GateName, Gate>();
  for (const name of gateNames(config, context.steered)) {
    const callbacks: GateCallbacks = {
      passed() {
        gates.get(name)?.close();
        gates.delete(name);
        context.passed(name);
      },
      failed: (reason) => context.failed(name, reason),
    };
    const gate = startGate(name, config, context, callbacks);
    if (gate) gates.set(name, gate);
  }
  return {
    waiting: () => [...gates.values()].map((gate) => ({ gate: gate.name, reason: gate.lastReason() })),
    close() {
      for (const gate of gates.values()) gate.close();
      gates.clear();
    },
  };
}

function startGate(
  name: GateName,
  config: ReadinessConfig,
  context: GatesContext,
  callbacks: GateCallbacks,
): Gate | null {
  const { kernel, notify, readyPipe, runCommand, openProbe, steered, timers, turns } = context;
  switch (name) {
    case 'accept':
      if (openProbe === null) throw new TypeError('the accept gate needs a steered listener');
      return startAcceptGate(
        acceptListeners(config.accept, steered),
        openProbe,
        { timers, turns },
        callbacks,
      );
    case 'notify':
      if (notify === null) throw new TypeError('the notify gate needs a notify socket');
      return startNotifyGate(notify, callbacks);
    case 'ready_fd':
      if (readyPipe === null || config.ready_fd === undefined)
        throw new TypeError('the ready_fd gate needs a pipe');
      return startReadyFdGate({ kernel, fd: readyPipe, descriptor: config.ready_fd }, callbacks);
    case 'http':
      return config.http ? startHttpGate(config.http, openProbe, timers, callbacks) : null;
    case 'tcp':
      return config.tcp ? startTcpGate(config.tcp, openProbe, timers, callbacks) : null;
    case 'command':
      return config.command ? startCommandGate(config.command, runCommand, timers, callbacks) : null;
  }
}
