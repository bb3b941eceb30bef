import os from 'node:os';
import { ControllingTerminal } from './terminal.ts';

/** The actions of the supervisor for its signals (docs/guide/signals.md). */
export interface SignalActions {
  reload(signal: string): void;
  stop(signal: string, now: boolean): void;
  reopenLogs(): void;
  upgrade(signal: string): void;
  forward(signal: string): void;
}

export interface SignalSettings {
  readonly reload: string;
  readonly forward: readonly string[];
}

/**
 * Signals with a default action of ending or stopping a process and a meaning for zero. Each has a handler for the
 * supervisor's whole life.
 */
const KNOWN = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const;

/**
 * The signal handlers of the supervisor. Install them before any slow work: without a handler SIGUSR1 starts Node's
 * inspector and the other signals end the process.
 */
export class Signals {
  private readonly actions: SignalActions;
  private readonly terminal: Pick<ControllingTerminal, 'hangup' | 'close'>;
  private isTerminalClosed = false;
  private settings: SignalSettings | null = null;
  /** Signals that arrived before the actions were available. */
  private early: (() => void)[] = [];
  private readonly installed = new Map<string, () => void>();

  constructor(
    actions: SignalActions,
    terminal: Pick<ControllingTerminal, 'hangup' | 'close'> = new ControllingTerminal(),
  ) {
    this.actions = actions;
    this.terminal = terminal;
    for (const name of KNOWN) this.install(name);
    // Node starts the inspector twice, the second time when it next polls for events.
    setImmediate(closeInspector);
  }

  /** Applies the signals of a config, at the start and after each promotion that changes them. */
  configure(settings: SignalSettings): void {
    this.settings = settings;
    const wanted = new Set<string>([...KNOWN, settings.reload, ...settings.forward]);
    for (const [name, handler] of this.installed) {
      if (wanted.has(name)) continue;
      process.removeListener(name, handler);
      this.installed.delete(name);
    }
    for (const name of wanted) this.install(name);
    const early = this.early;
    this.early = [];
    for (const act of early) act();
  }

  close(): void {
    for (const [name, handler] of this.installed) process.removeListener(name, handler);
    this.installed.clear();
    this.terminal.close();
  }

  private install(name: string): void {
    if (this.installed.has(name) || !(name in os.constants.signals)) return;
    const handler = () => {
      const cause = name === 'SIGHUP' ? this.terminal.hangup() : 'sent';
      if (cause === 'sent') this.received(name);
      // zero was started with nohup(1): the user wants it to keep running.
      else if (cause === 'closed') this.terminalClosed();
    };
    process.on(name, handler);
    this.installed.set(name, handler);
  }

  private terminalClosed(): void {
    if (!this.settings) {
      this.early.push(() => this.terminalClosed());
      return;
    }
    // The shell and the kernel send one SIGHUP each: the second one does not mean "stop now".
    if (this.isTerminalClosed) return;
    this.isTerminalClosed = true;
    this.actions.stop('SIGHUP (terminal closed)', false);
  }

  private received(name: string): void {
    const { actions, settings } = this;
    if (!settings) {
      this.early.push(() => this.received(name));
      return;
    }
    if (name === settings.reload) actions.reload(name);
    else if (name === 'SIGTERM' || name === 'SIGINT') actions.stop(name, false);
    else if (name === 'SIGQUIT') actions.stop(name, true);
    else if (name === 'SIGUSR1') actions.reopenLogs();
    else if (name === 'SIGUSR2') actions.upgrade(name);
    // Forwards SIGUSR1, SIGUSR2 and SIGHUP too if the config lists them. A stop signals the workers separately.
    const isOwn = ['SIGTERM', 'SIGINT', 'SIGQUIT', settings.reload].includes(name);
    if (settings.forward.includes(name) && !isOwn) actions.forward(name);
  }
}

/**
 * Closes the inspector that Node opened if SIGUSR1 arrived before there was a handler. Every local user could connect
 * to it and run code as the user of zero. It stays open if an option of Node asked for it.
 */
function closeInspector(): void {
  const { execArgv, env, features } = process;
  if (
    !features.inspector ||
    /(?:^|\s)--inspect(?:-brk|-wait)?(?:[=\s]|$)/.test([...execArgv, env.NODE_OPTIONS].join(' '))
  )
    return;
  const inspector = process.getBuiltinModule('node:inspector');
  if (inspector.url() !== undefined) inspector.close();
}
