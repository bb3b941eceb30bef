import type { Config } from '../../config/index.ts';
import { steeringMode } from '../../config/steering.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { PassedSockets } from '../../listeners/binding/passed-sockets.ts';
import { listenFdsWarning } from '../../workers/conventions/index.ts';
import type { OpenFile } from './trusted-files.ts';

/** Reports advice on the config in use, once, and again after each change. */
export class ConfigRemarks {
  readonly #report: (fact: Fact) => void;
  readonly #passed: PassedSockets;
  #unused: string | null = null;
  #gaps: string | null = null;
  #shared: string | null = null;
  #open: ReadonlySet<string> = new Set();

  constructor(report: (fact: Fact) => void, passed: PassedSockets) {
    this.#report = report;
    this.#passed = passed;
  }

  look(config: Config): void {
    this.#warnOfGaps(config);
    this.#warnOfUnused(config);
    this.#sayWhyShared(config);
  }

  /**
   * Reports files that the user of the service could change. zero does not refuse such files: the user may be the
   * service's own deploy user.
   */
  lookAtFiles(files: readonly OpenFile[]): void {
    const messages = new Set(files.map(({ message }) => message));
    for (const message of messages)
      if (!this.#open.has(message)) this.#report({ event: 'warning', about: 'permissions', message });
    this.#open = messages;
  }

  /** Warns about descriptor numbers that systemd's convention cannot express. */
  #warnOfGaps({ service }: Config): void {
    const message = listenFdsWarning(
      service.runtime.protocols,
      service.listeners.map(({ socket_fd: target }) => ({ target })),
    );
    if (message === null || message === this.#gaps) return;
    this.#gaps = message;
    this.#report({ event: 'warning', about: 'systemd', message });
  }

  /** Connections to a passed socket that no listener uses wait forever. */
  #warnOfUnused({ service }: Config): void {
    const used = service.listeners.flatMap(({ address }) =>
      address.kind === 'passed' ? [address.name] : [],
    );
    const unused = this.#passed.unused(used);
    const message = `sockets were passed to zero that no listener uses: ${unused.join(', ')}. Add a listener with address: systemd:NAME for each of them, or remove its .socket unit.`;
    if (unused.length === 0) this.#unused = null;
    else if (message !== this.#unused) {
      this.#unused = message;
      this.#report({ event: 'warning', about: 'systemd', message });
    }
  }

  /** Reports the reason in one line if no listener is steered. */
  #sayWhyShared(config: Config): void {
    const { mode, reason } = steeringMode(config);
    if (reason === this.#shared) return;
    this.#shared = reason;
    if (reason !== null) this.#report({ event: 'handover_mode', mode, reason });
  }
}
