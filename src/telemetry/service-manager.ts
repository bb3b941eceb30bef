import type { Fact } from '../lifecycle/facts.ts';
import { sendDatagram } from '../linux/datagrams.ts';

export interface ServiceManagerOptions {
  /** $NOTIFY_SOCKET as zero was given it: a path, or `@name` in the abstract namespace. */
  readonly socket: string;
  readonly warn: (message: string) => void;
}

/**
 * Tells whoever started zero, such as systemd with Type=notify, how its service is (sd_notify(3)): ready once a generation serves,
 * stopping, and what serves now as the status. A service has a socket of its own to say that on, and never sees this one.
 */
export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  #told = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
  }

  report(fact: Fact): void {
    const state = stateAfter(fact);
    if (state !== null) this.#send(state);
  }

  async close(): Promise<void> {}

  #send(state: string): void {
    const { socket, warn } = this.#options;
    try {
      sendDatagram(socket, state);
    } catch (error) {
      // A manager that is not there will hardly be there next time.
      if (!this.#told) warn(`tell the service manager at ${socket}: ${(error as Error).message}`);
      this.#told = true;
    }
  }
}

function stateAfter(fact: Fact): string | null {
  switch (fact.event) {
    case 'generation_promoted':
      return `READY=1\nSTATUS=generation ${fact.generation} serves`;
    case 'generation_rolled_back':
      return `STATUS=generation ${fact.incumbent} serves`;
    case 'stop_requested':
      return 'STOPPING=1\nSTATUS=stopping';
    default:
      return null;
  }
}
